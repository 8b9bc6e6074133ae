//! Two tools that only a conversation has: to say that a question cannot be answered, and to make a number of others.

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Refuse,
    Calculate,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
struct Sum {
    operation: Operation,
    operands: Vec<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Sum,
    Difference,
    Ratio,
    Mean,
}

/// Operands of one number, at most.
const MOST: usize = 100;

pub(super) fn named(name: &str) -> Option<Own> {
    Own::ALL.iter().copied().find(|own| own.name() == name)
}

impl Own {
    pub(super) const ALL: &'static [Self] = &[Self::Refuse, Self::Calculate];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Calculate => "calculate",
        }
    }

    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Refuse => "Say that the question cannot be answered, or is ambiguous, and what is missing.",
            Self::Calculate => {
                "Make a number of numbers that tools found: their sum or mean, the first less the second, or the first \
                 divided by the second."
            }
        }
    }

    pub(super) fn schema(self) -> Value {
        match self {
            Self::Refuse => json!({
                "type": "object",
                "properties": {"why": {"type": "string", "description": "For the person who asked: what is missing."}},
                "required": ["why"],
                "additionalProperties": false,
            }),
            Self::Calculate => json!({
                "type": "object",
                "properties": {
                    "operation": {"type": "string", "enum": ["sum", "difference", "ratio", "mean"]},
                    "operands": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["operation", "operands"],
                "additionalProperties": false,
            }),
        }
    }
}

/// For people. A model that cannot write JSON still refuses.
pub(super) fn why(arguments: &str) -> String {
    let why = serde_json::from_str::<Refusal>(arguments).map(|refusal| refusal.why).unwrap_or_default();
    if why.trim().is_empty() { "This cannot be answered from the data.".to_owned() } else { why }
}

/// A number made of others; one divided by another may be said in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Made {
    Number(f64),
    Ratio(f64),
}

/// Every operand has to have been found.
pub(super) fn calculate(arguments: &str, is_known: impl Fn(f64) -> bool) -> Result<Made, String> {
    let sum: Sum = serde_json::from_str(arguments).map_err(|_| "operation and operands are wanted".to_owned())?;
    if sum.operands.len() > MOST {
        return Err(format!("at most {MOST} operands"));
    }
    if let Some(unknown) = sum.operands.iter().find(|operand| !is_known(**operand)) {
        return Err(format!("{unknown} stands in no result"));
    }
    let total: f64 = sum.operands.iter().sum();
    let made = match (sum.operation, sum.operands.as_slice()) {
        (_, []) => return Err("no operands".to_owned()),
        (Operation::Sum, _) => Made::Number(total),
        (Operation::Mean, all) => Made::Number(total / all.len() as f64),
        (Operation::Difference, [one, other]) => Made::Number(one - other),
        (Operation::Ratio, [one, other]) if *other != 0.0 => Made::Ratio(one / other),
        (Operation::Difference | Operation::Ratio, _) => return Err("two operands, the second not 0".to_owned()),
    };
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_of_numbers_that_were_found() {
        let known = |number: f64| [3.0, 4.0, 12.0].contains(&number);
        let of = |operation: &str, operands: &[f64]| {
            calculate(&json!({"operation": operation, "operands": operands}).to_string(), known)
        };
        assert_eq!(of("sum", &[3.0, 4.0]), Ok(Made::Number(7.0)));
        assert_eq!(of("mean", &[4.0, 12.0]), Ok(Made::Number(8.0)));
        assert_eq!(of("difference", &[12.0, 4.0]), Ok(Made::Number(8.0)));
        assert_eq!(of("ratio", &[3.0, 12.0]), Ok(Made::Ratio(0.25)));
        assert_eq!(of("sum", &[3.0, 5.0]), Err("5 stands in no result".to_owned()));
        assert!(of("ratio", &[3.0]).is_err() && of("sum", &[]).is_err());
        assert!(calculate("rubbish", known).is_err());
    }

    #[test]
    fn a_refusal_always_says_something() {
        assert_eq!(why(r#"{"why": "which project?"}"#), "which project?");
        assert_eq!(why("rubbish"), why("{}"));
    }
}
