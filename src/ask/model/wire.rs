//! What a server of chat completions answers, as far as it is needed.
//!
//! Requests are made of `async-openai`'s types. Answers are read here: compatible servers leave out what those types
//! want (the kind of a call, a time) and have words that they do not know (why a choice ended), and neither makes an
//! answer worse. <https://platform.openai.com/docs/api-reference/chat/object>

use serde::Deserialize;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Completion {
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    #[serde(default)]
    pub(super) usage: Option<Tokens>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) message: Message,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) function: Function,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Function {
    #[serde(default)]
    pub(super) name: String,
    /// JSON, or what a model takes for it.
    #[serde(default)]
    pub(super) arguments: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_leaves_out_or_adds_does_no_harm() {
        let text = r#"{"choices": [{"finish_reason": "abort", "message": {"role": "assistant", "tool_calls":
            [{"id": "1", "function": {"name": "data_health", "arguments": "{}"}}]}}], "service_tier": "on_demand"}"#;
        let completion: Completion = serde_json::from_str(text).unwrap();
        let [choice] = completion.choices.as_slice() else { panic!("one choice") };
        assert_eq!(choice.message.tool_calls.as_ref().unwrap()[0].function.name, "data_health");
        assert_eq!(choice.finish_reason.as_deref(), Some("abort"));
    }
}
