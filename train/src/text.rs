//! Text that is safe where it lands.

/// `text` on one line, with a backslash before each character that means something in Markdown or in HTML within it; safe
/// in the cell of a table too.
pub(crate) fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '<' | '>' | '&' => out.extend(['\\', character]),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let text = "a|b\n<script>x</script> [c](d) & `e`";
        assert_eq!(escape_markdown(text), r"a\|b \<script\>x\</script\> \[c\](d) \& \`e\`");
    }
}
