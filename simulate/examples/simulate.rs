//! Measures the simulator: `cargo run --release -p bellwether-simulate --example simulate -- ACCOUNTS MONTHS SEED OUT
//! [truth] [WORLD]`, under `/usr/bin/time -v` for its peak memory.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use bellwether_simulate::Parameters;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [accounts, months, seed, out, rest @ ..] = arguments.as_slice() else {
        return Err("usage: simulate ACCOUNTS MONTHS SEED OUT [truth] [WORLD]".into());
    };
    let mut parameters =
        Parameters { accounts: accounts.parse()?, months: months.parse()?, seed: seed.parse()?, ..Parameters::default() };
    for word in rest {
        if word == "truth" {
            parameters.truth = true;
        } else {
            parameters.world = word.parse()?;
        }
    }
    let simulation = parameters.check()?;
    let begin = Instant::now();
    std::fs::create_dir_all(out)?;
    let summary = simulation.run(Path::new(out), &())?;
    let seconds = begin.elapsed().as_secs_f64();
    std::fs::write(Path::new(out).join("bellwether.toml"), simulation.project_toml())?;
    let rates = (summary.churn_90d.rate(), summary.expansion_60d.rate());
    writeln!(
        std::io::stdout(),
        "{summary:#?}\n{seconds:.2} s, churn_90d {:.4}, expansion_60d {:.4}",
        rates.0,
        rates.1
    )?;
    Ok(())
}
