//! What can be asked of an indicator.

use clap::Args;
use jiff::civil::Date;
use mystocks_ta::Given;

use crate::cli::{BarsFrom, Format};

#[derive(Debug, Args)]
pub(crate) struct Calc {
    /// Whose: 600519.SH, AAPL.
    pub(crate) symbol: String,
    /// What: SMA, MACD, TDX_KDJ; docs/indicators.md lists them.
    pub(crate) indicator: String,
    /// Its parameters; those that are left out have their defaults.
    #[arg(value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, Given)>,
    /// The first day that is printed.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Option<Date>,
    /// The last day that is printed.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) to: Option<Date>,
    /// Prints only the last days, so many.
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    #[command(flatten)]
    pub(crate) source: BarsFrom,
    #[command(flatten)]
    pub(crate) format: Format,
}

fn parameter(text: &str) -> Result<(String, Given), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value, such as timeperiod=20")?;
    let value = match (value.parse::<i64>(), value.parse::<f64>()) {
        (Ok(whole), _) => Given::Int(whole),
        (_, Ok(number)) => Given::Float(number),
        _ => return Err(format!("the value of {name} is no number, such as in {name}=20")),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_others_are_told_apart() {
        assert_eq!(parameter("timeperiod=20"), Ok(("timeperiod".to_owned(), Given::Int(20))));
        assert_eq!(parameter("nbdevup=2.5"), Ok(("nbdevup".to_owned(), Given::Float(2.5))));
        for (text, said) in [("20", "name=value"), ("timeperiod=", "timeperiod=20"), ("n=nine", "no number")]
        {
            assert!(parameter(text).unwrap_err().contains(said), "{text}");
        }
    }
}
