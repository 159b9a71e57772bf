//! What an operator types for a message.

use outbox::message::Attribute;

/// `k=v` is a string; `k:Number=5` and `k:String=5` name their type.
pub fn attribute(text: &str) -> Result<(String, Attribute), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("this is not NAME=VALUE or NAME:Number=VALUE".to_owned());
    };
    let (name, attribute) = match name.rsplit_once(':') {
        None => (name, Attribute::String(value.to_owned())),
        Some((name, "String")) => (name, Attribute::String(value.to_owned())),
        Some((name, "Number")) => (name, Attribute::Number(value.to_owned())),
        Some((_, kind)) => return Err(format!("the type is `{kind}`; it can be String or Number")),
    };
    Ok((name.to_owned(), attribute))
}

/// A time span: `30`, `30s`, `5m`, `2h`.
pub fn seconds(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.trim().char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let number: u64 = digits.trim().parse().map_err(|_| "this is no time span like 30s, 5m or 2h".to_owned())?;
    number.checked_mul(factor).filter(|s| *s <= 604_800).ok_or_else(|| "a week is the longest".to_owned())
}

/// How many: a number from 1 on.
pub fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "this is no number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_name_their_type() {
        assert_eq!(attribute("k=v=w"), Ok(("k".into(), Attribute::String("v=w".into()))));
        assert_eq!(attribute("k:Number=5"), Ok(("k".into(), Attribute::Number("5".into()))));
        assert!(attribute("k:Binary=5").is_err());
        assert!(attribute("k").is_err());
    }

    #[test]
    fn what_is_counted_is_at_least_one() {
        assert_eq!(at_least_one("1"), Ok(1));
        for bad in ["", "0", "-1", "x", "1.5", "99999999999999999999"] {
            assert!(at_least_one(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!([seconds("30"), seconds("30s"), seconds("5m"), seconds("2h")], [Ok(30), Ok(30), Ok(300), Ok(7200)]);
        for bad in ["", "m", "-1", "5d", "1e3", "99999999999999h", "169h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
