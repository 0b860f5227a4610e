//! The small expressions of `derive` and `where`, parsed.
//!
//! ```text
//! or   := and ("or" and)*            and := not ("and" not)*         not := "not" not | compare
//! compare := join (("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") join | "is" "not"? "null")?
//! join := sum ("||" sum)*            sum := product (("+" | "-") product)*
//! product := unary (("*" | "/") unary)*                              unary := "-" unary | atom
//! atom := number | 'text' | "true" | "false" | "null" | column | "column name" | "(" or ")"
//! ```
//!
//! Words are as in SQL: text stands in single quotes (`''` is a quote within), a column name that is not a plain word
//! stands in double quotes or backticks, keywords are without regard to case. Nulls are as in SQL too: anything joined,
//! added or compared with null is null, and `where` keeps only rows for which its expression is true.

use super::error::{ContractError, Problem};

/// Deepest nesting of parentheses and prefixes, and most words and signs: they keep a hostile text from exhausting the
/// stack, since a long chain of operators is a deep tree.
const DEEPEST: usize = 64;
const MOST_TOKENS: usize = 1000;

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `or`
    Or,
    /// `and`
    And,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `||`
    Join,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A column of the user's table.
    Column(String),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// `null`.
    Null,
    /// `not x`.
    Not(Box<Expression>),
    /// `-x`.
    Negate(Box<Expression>),
    /// `x is null`.
    IsNull(Box<Expression>),
    /// Two operands.
    Binary(Operator, Box<Expression>, Box<Expression>),
}

impl Expression {
    /// Parses a text.
    ///
    /// # Errors
    /// [`Problem::Expression`] at `key`, with the character at which it stops making sense.
    pub fn parse(text: &str, key: &[&str]) -> Result<Self, ContractError> {
        parse(text).map_err(|fault| {
            let problem = Problem::Expression { position: fault.position, message: fault.message, hint: fault.hint };
            ContractError::new(problem, key)
        })
    }

    /// Names of the columns that it reads, each once, in order of appearance.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_columns(&mut names);
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Column(name) => {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            Self::Not(inner) | Self::Negate(inner) | Self::IsNull(inner) => inner.collect_columns(names),
            Self::Binary(_, left, right) => {
                left.collect_columns(names);
                right.collect_columns(names);
            }
            Self::Number(_) | Self::Text(_) | Self::Flag(_) | Self::Null => {}
        }
    }
}

#[derive(Debug)]
struct Fault {
    position: usize,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Number(f64),
    Text(String),
    Symbol(&'static str),
    Keyword(&'static str),
    End,
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("the column `{name}`"),
            Self::Number(number) => format!("the number {number}"),
            Self::Text(_) => "a text".to_owned(),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::Keyword(word) => format!("`{word}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 15] = ["||", "==", "!=", "<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")"];
const KEYWORDS: [&str; 7] = ["and", "or", "not", "is", "null", "true", "false"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let start = at;
        let character = characters[at];
        if character.is_whitespace() {
            at += 1;
            continue;
        }
        let token = match character {
            '\'' => Token::Text(quoted(&characters, &mut at)?),
            '"' | '`' => Token::Name(quoted(&characters, &mut at)?),
            _ if character.is_ascii_digit() || character == '.' => number(&characters, &mut at)?,
            _ if character.is_alphabetic() || character == '_' => word(&characters, &mut at),
            _ => symbol(&characters, &mut at)?,
        };
        found.push((start + 1, token));
        if found.len() > MOST_TOKENS {
            let message = format!("expected at most {MOST_TOKENS} words and signs");
            return Err(Fault {
                position: start + 1,
                message,
                hint: Some("prepare such a column beforehand".to_owned()),
            });
        }
    }
    found.push((characters.len() + 1, Token::End));
    Ok(found)
}

/// A quoted piece; the quote doubled stands for itself.
fn quoted(characters: &[char], at: &mut usize) -> Result<String, Fault> {
    let start = *at;
    let quote = characters[start];
    let mut content = String::new();
    *at += 1;
    while let Some(&character) = characters.get(*at) {
        *at += 1;
        if character != quote {
            content.push(character);
        } else if characters.get(*at) == Some(&quote) {
            content.push(quote);
            *at += 1;
        } else {
            return Ok(content);
        }
    }
    Err(Fault {
        position: start + 1,
        message: format!("this {quote} is never closed"),
        hint: Some("text stands in 'single quotes'; a quote within is written twice".to_owned()),
    })
}

fn number(characters: &[char], at: &mut usize) -> Result<Token, Fault> {
    let start = *at;
    let mut text = String::new();
    while let Some(&character) = characters.get(*at) {
        let exponent_sign = matches!(character, '+' | '-') && text.ends_with(['e', 'E']);
        if !(character.is_ascii_alphanumeric() || character == '.' || exponent_sign) {
            break;
        }
        text.push(character);
        *at += 1;
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.map(Token::Number).ok_or_else(|| Fault {
        position: start + 1,
        message: format!("expected a number, found `{text}`"),
        hint: Some("a column whose name begins with a digit stands in \"double quotes\"".to_owned()),
    })
}

fn word(characters: &[char], at: &mut usize) -> Token {
    let mut text = String::new();
    while let Some(&character) = characters.get(*at) {
        if !(character.is_alphanumeric() || character == '_') {
            break;
        }
        text.push(character);
        *at += 1;
    }
    match KEYWORDS.into_iter().find(|keyword| text.eq_ignore_ascii_case(keyword)) {
        Some(keyword) => Token::Keyword(keyword),
        None => Token::Name(text),
    }
}

fn symbol(characters: &[char], at: &mut usize) -> Result<Token, Fault> {
    let rest: String = characters[*at..characters.len().min(*at + 2)].iter().collect();
    if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
        *at += symbol.len();
        return Ok(Token::Symbol(symbol));
    }
    let hint = match rest.chars().next() {
        Some('&') => "write `and`",
        Some('|') => "write `||` to join texts, `or` between conditions",
        Some('!') => "write `not` or `!=`",
        _ => "there are ||, + - * /, = != < <= > >=, and, or, not, is null, and parentheses",
    };
    Err(Fault { position: *at + 1, message: "unexpected character".to_owned(), hint: Some(hint.to_owned()) })
}

fn parse(text: &str) -> Result<Expression, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.level(0)?;
    match parser.peek() {
        Token::End => Ok(expression),
        _ => Err(parser.fault("an operator or the end")),
    }
}

/// Binary operators from the loosest to the tightest; comparisons (level 2) do not chain.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("=", Operator::Equal),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<>", Operator::NotEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
    ],
    &[("||", Operator::Join)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];
const COMPARISON: usize = 2;

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accept(&mut self, wanted: &str) -> bool {
        let matches = matches!(self.peek(), Token::Symbol(text) | Token::Keyword(text) if *text == wanted);
        if matches {
            self.at += 1;
        }
        matches
    }

    fn fault(&self, expected: &str) -> Fault {
        let position = self.tokens.get(self.at).map_or(1, |(position, _)| *position);
        Fault { position, message: format!("expected {expected}, found {}", self.peek().describe()), hint: None }
    }

    fn level(&mut self, level: usize) -> Result<Expression, Fault> {
        if level == COMPARISON && self.accept("not") {
            return Ok(Expression::Not(Box::new(self.nested(COMPARISON)?)));
        }
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            if level == COMPARISON && self.accept("is") {
                let negated = self.accept("not");
                if !self.accept("null") {
                    return Err(self.fault("`null` or `not null` after `is`"));
                }
                let test = Expression::IsNull(Box::new(left));
                return Ok(if negated { Expression::Not(Box::new(test)) } else { test });
            }
            let Some((_, operator)) = operators.iter().find(|(text, _)| self.accept(text)) else { return Ok(left) };
            let right = self.level(level + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
            if level == COMPARISON {
                return Ok(left);
            }
        }
    }

    /// One level deeper, unless that is too deep.
    fn nested(&mut self, level: usize) -> Result<Expression, Fault> {
        if self.depth >= DEEPEST {
            return Err(self.fault("less nesting"));
        }
        self.depth += 1;
        let inner = self.level(level);
        self.depth -= 1;
        inner
    }

    fn unary(&mut self) -> Result<Expression, Fault> {
        if self.accept("-") {
            return Ok(Expression::Negate(Box::new(self.nested(LEVELS.len())?)));
        }
        if self.accept("(") {
            let inner = self.nested(0)?;
            return if self.accept(")") { Ok(inner) } else { Err(self.fault("`)`")) };
        }
        match self.peek() {
            Token::Symbol(_) | Token::End | Token::Keyword("and" | "or" | "not" | "is") => {
                return Err(self.fault("a column, a number or a 'text'"));
            }
            _ => {}
        }
        Ok(match self.take() {
            Token::Name(name) => Expression::Column(name),
            Token::Number(value) => Expression::Number(value),
            Token::Text(text) => Expression::Text(text),
            Token::Keyword("true") => Expression::Flag(true),
            Token::Keyword("false") => Expression::Flag(false),
            _ => Expression::Null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fully parenthesised, to see what binds how.
    fn shape(expression: &Expression) -> String {
        match expression {
            Expression::Column(name) => name.clone(),
            Expression::Number(value) => value.to_string(),
            Expression::Text(text) => format!("'{text}'"),
            Expression::Flag(flag) => flag.to_string(),
            Expression::Null => "null".to_owned(),
            Expression::Not(inner) => format!("not({})", shape(inner)),
            Expression::Negate(inner) => format!("neg({})", shape(inner)),
            Expression::IsNull(inner) => format!("isnull({})", shape(inner)),
            Expression::Binary(operator, left, right) => format!("({} {operator:?} {})", shape(left), shape(right)),
        }
    }

    #[test]
    fn operators_bind_as_in_sql() {
        let cases = [
            ("a || '/' || b", "((a Join '/') Join b)"),
            ("a + b * 2 - -c", "((a Add (b Multiply 2)) Subtract neg(c))"),
            ("a = 1 or b != 'x' and not c", "((a Equal 1) Or ((b NotEqual 'x') And not(c)))"),
            ("not a = 1", "not((a Equal 1))"),
            ("NOT not a", "not(not(a))"),
            ("(a or b) and c is not null", "((a Or b) And not(isnull(c)))"),
            ("\"two words\" is null", "isnull(two words)"),
            ("a + 1 <> b / 2", "((a Add 1) NotEqual (b Divide 2))"),
            ("'it''s' || x", "('it's' Join x)"),
            ("1e-3 < .5", "(0.001 Less 0.5)"),
            ("größe > 1", "(größe Greater 1)"),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn faults_say_where() {
        let deep = "(".repeat(900);
        let nots = "not ".repeat(900) + "a";
        let long = "a+".repeat(100_000) + "a";
        let cases = [
            ("a ||", 5),
            ("a = 'x", 5),
            ("a b", 3),
            ("a < b < c", 7),
            ("a & b", 3),
            ("", 1),
            ("(a", 3),
            ("a is 3", 6),
            ("1x", 1),
            (deep.as_str(), DEEPEST + 2),
            (nots.as_str(), 4 * (DEEPEST + 1) + 1),
            (long.as_str(), MOST_TOKENS + 1),
        ];
        for (text, position) in cases {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.position, position, "{} {}", &text[..text.len().min(20)], fault.message);
        }
    }

    #[test]
    fn columns_are_listed_once() {
        assert_eq!(parse("a + b * a").unwrap().columns(), ["a", "b"]);
    }
}
