//! What a deployment uploads: templates, state machine and zips, under keys with a content hash. A change is
//! seen because its key is new, and a rollback finds its old artifact.

use std::collections::BTreeMap;

use outbox::names::Function;
use sha2::{Digest, Sha256};

use super::functions::Code;

/// The templates and the state machine lie in the binary as they stand in the repository.
pub const ROOT: &str = include_str!("../../templates/disa-root-stack.yaml");
const STATE_MACHINE: &str = include_str!("../../asl/state-machine.json");
/// The parameter of the root stack that names it, the stem of its file, the template.
pub const NESTED: [(&str, &str, &str); 7] = [
    ("DynamoDBTemplateKey", "dynamodb-stack", include_str!("../../templates/dynamodb-stack.yaml")),
    ("IamRoleTemplateKey", "iam-role-stack", include_str!("../../templates/iam-role-stack.yaml")),
    ("LambdaFunctionTemplateKey", "lambda-function-stack", include_str!("../../templates/lambda-function-stack.yaml")),
    ("SNSTemplateKey", "sns-stack", include_str!("../../templates/sns-stack.yaml")),
    (
        "AlarmTemplateKey",
        "cw-custom-metric-alarm-stack",
        include_str!("../../templates/cw-custom-metric-alarm-stack.yaml"),
    ),
    (
        "DeadLetterQueueTemplateKey",
        "dead-letter-queue-stack",
        include_str!("../../templates/dead-letter-queue-stack.yaml"),
    ),
    ("MonitoringTemplateKey", "monitoring-stack", include_str!("../../templates/monitoring-stack.yaml")),
];

/// One object of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub key: String,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Bundle {
    pub artifacts: Vec<Artifact>,
    pub root_key: String,
    /// The root stack's parameters that name the artifacts.
    pub parameters: BTreeMap<String, String>,
}

/// Lays the artifacts out below a prefix of the bucket.
pub fn bundle(prefix: &str, code: &BTreeMap<Function, Code>) -> Bundle {
    let mut artifacts = vec![];
    let mut parameters = BTreeMap::new();
    let mut add = |folder: &str, stem: &str, ending: &str, bytes: &[u8]| {
        let key = format!("{prefix}/{folder}/{stem}-{}.{ending}", content_hash(bytes));
        artifacts.push(Artifact { key: key.clone(), bytes: bytes.to_vec() });
        key
    };
    for (parameter, stem, text) in NESTED {
        parameters.insert(parameter.to_owned(), add("cft/nested-stacks", stem, "yaml", text.as_bytes()));
    }
    let key = add("cft/state-machine", "state-machine", "json", STATE_MACHINE.as_bytes());
    parameters.insert("StateMachineKey".to_owned(), key);
    for (function, code) in code {
        let key = add("code/rust", function.binary(), "zip", &code.zip);
        parameters.insert(code_parameter(*function).to_owned(), key);
        parameters.insert("Architecture".to_owned(), code.architecture.as_str().to_owned());
    }
    let root_key = add("cft", "disa-root-stack", "yaml", ROOT.as_bytes());
    Bundle { artifacts, root_key, parameters }
}

/// The parameter that names a function's zip.
pub fn code_parameter(function: Function) -> &'static str {
    match function {
        Function::InitProcess => "InitProcessCodeKey",
        Function::Process => "ProcessCodeKey",
        Function::Retry => "RetryCodeKey",
    }
}

#[cfg(test)]
pub fn root_template() -> &'static str {
    ROOT
}

/// 16 hexadecimal digits of the SHA-256 of the content.
fn content_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::functions::{Architecture, Code};
    use super::super::parameters;
    use super::*;

    fn code(byte: u8) -> BTreeMap<Function, Code> {
        let code = Code { zip: vec![byte], architecture: Architecture::Arm64 };
        Function::ALL.into_iter().map(|function| (function, code.clone())).collect()
    }

    #[test]
    fn every_key_parameter_is_declared_and_uploaded() {
        let bundle = bundle("0066-disa", &code(1));
        for (name, value) in &bundle.parameters {
            assert!(parameters::find(name).is_some(), "{name}");
            let uploaded = bundle.artifacts.iter().any(|artifact| &artifact.key == value);
            assert!(uploaded || name == "Architecture", "{name}={value}");
        }
        assert_eq!(bundle.artifacts.len(), 12);
        assert!(bundle.root_key.starts_with("0066-disa/cft/disa-root-stack-"));
    }

    #[test]
    fn changed_code_has_a_new_key_and_the_same_code_the_same() {
        let key = |byte| bundle("p", &code(byte)).parameters["ProcessCodeKey"].clone();
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
    }

    /// The names in a section of a template.
    fn section(template: &str, name: &str) -> usize {
        let inside = template.lines().skip_while(|line| *line != format!("{name}:")).skip(1);
        let inside = inside.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
        inside
            .filter(|line| line.starts_with("  ") && line.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic))
            .count()
    }

    /// CloudFormation user guide, "Understand CloudFormation quotas"; a template in S3 has up to 1 MB.
    #[test]
    fn the_templates_are_within_the_quotas_of_cloudformation() {
        let nested = NESTED.map(|(_, stem, text)| (stem, text));
        for (name, template) in [("root", ROOT)].into_iter().chain(nested) {
            let counted = |of: &str| section(template, of);
            assert!(template.len() <= 1_048_576, "{name}");
            assert!(counted("Parameters") <= 200 && counted("Mappings") <= 200, "{name}");
            assert!((1..=500).contains(&counted("Resources")), "{name}: {}", counted("Resources"));
            assert!(counted("Outputs") <= 200, "{name}");
        }
        // What counts nothing shows nothing.
        assert!(section(ROOT, "Parameters") > 20 && section(ROOT, "Resources") > 10 && section(ROOT, "Outputs") > 20);
        assert_eq!(
            section("Outputs:\n  A:\n    Value: 1\n\n  # a word\n  B:\n    Value: 2\nOther:\n  C: 1\n", "Outputs"),
            2
        );
    }

    /// The dashboard's body with every `${Name}` made a word, or a number where none is in quotes.
    fn dashboard() -> serde_json::Value {
        let (_, _, template) = NESTED.into_iter().find(|(_, stem, _)| *stem == "monitoring-stack").expect("there");
        let lines = template.lines().skip_while(|line| !line.contains("DashboardBody: !Sub |")).skip(1);
        let body: Vec<&str> = lines.take_while(|line| line.starts_with("        ")).collect();
        let mut parts = body.join("\n").split("${").map(str::to_owned).collect::<Vec<_>>().into_iter();
        let mut text = parts.next().expect("a beginning");
        for part in parts {
            let (name, rest) = part.split_once('}').expect("an end");
            let declared = name.starts_with("AWS::") || template.contains(&format!("\n  {name}:\n    Type: "));
            assert!(declared, "{name} is no parameter");
            text.push_str(if name.ends_with("Seconds") { "900" } else { name });
            text.push_str(rest);
        }
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn the_dashboard_is_json_and_its_widgets_lie_beside_each_other() {
        let body = dashboard();
        let widgets = body["widgets"].as_array().expect("widgets");
        let area = |widget: &serde_json::Value| {
            let number = |name: &str| widget[name].as_u64().expect("a number");
            (number("x")..number("x") + number("width"), number("y")..number("y") + number("height"))
        };
        for (index, widget) in widgets.iter().enumerate() {
            let (columns, lines) = area(widget);
            assert!(columns.end <= 24, "{widget}");
            let apart = |other: &serde_json::Value| {
                let (other_columns, other_lines) = area(other);
                columns.end <= other_columns.start
                    || other_columns.end <= columns.start
                    || lines.end <= other_lines.start
                    || other_lines.end <= lines.start
            };
            assert!(widgets[index + 1..].iter().all(apart), "{widget}");
            assert!(widget["type"] != "metric" || widget["properties"]["region"] == "AWS::Region", "{widget}");
        }
    }

    #[test]
    fn the_dashboard_shows_every_alarm_and_every_metric() {
        use outbox::names::{Alarm, metric};
        let body = dashboard().to_string();
        for alarm in Alarm::ALL {
            assert!(body.contains(&format!(":alarm:ProjectName-Environment-{}\"", alarm.suffix())), "{alarm:?}");
        }
        for name in [metric::LATENCY, metric::PENDING, metric::FAILED, metric::DEAD, metric::OLDEST] {
            assert!(body.contains(&format!("\"MetricPrefix{name}\"")), "{name}");
        }
    }

    /// The alarms have the names that the command looks for, and watch what the functions write.
    #[test]
    fn the_alarms_are_the_ones_that_the_command_knows() {
        use outbox::names::{Alarm, metric};
        let templates = NESTED.map(|(_, _, text)| text).concat();
        for alarm in Alarm::ALL {
            let name = format!("AlarmName: !Sub \"${{ProjectName}}-${{Environment}}-{}\"", alarm.suffix());
            assert_eq!(templates.matches(&name).count(), 1, "{name}");
        }
        for name in [metric::DEAD, metric::OLDEST] {
            assert!(templates.contains(&format!("MetricName: !Sub \"${{MetricPrefix}}{name}\"")), "{name}");
        }
    }

    /// The state machine makes one status change itself: it must be the one that the model has.
    #[test]
    fn the_state_machine_writes_what_the_model_says() {
        use outbox::execution::Outcome;
        use outbox::item::Delivery;
        let machine: serde_json::Value = serde_json::from_str(STATE_MACHINE).expect("JSON");
        let update =
            &machine["States"]["Update Undelivered"]["ItemProcessor"]["States"]["DynamoDB UpdateItem"]["Parameters"];
        let outcome = Outcome::failure(&Delivery::pending("id", 1), 2, 3);
        let model = outbox::change::fail(&outcome, Some("me"), "class", "code", "text", 4).expressions();
        assert_eq!(update["ConditionExpression"], model.condition);
        assert_eq!(update["UpdateExpression"], model.update);
        let names: std::collections::HashMap<String, String> =
            serde_json::from_value(update["ExpressionAttributeNames"].clone()).expect("names");
        assert_eq!(names, model.names);
        let values = update["ExpressionAttributeValues"].as_object().expect("values");
        let mut found: Vec<&String> = values.keys().collect();
        let mut expected: Vec<&String> = model.values.keys().collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
