//! Where a deployment lies, and what it is called there.

use outbox::names::Names;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub names: Names,
    pub partition: String,
    pub region: String,
    pub account: String,
}

impl Site {
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    pub fn topic(&self) -> String {
        self.arn("sns", &self.names.topic())
    }

    pub fn state_machine(&self) -> String {
        self.arn("states", &format!("stateMachine:{}", self.names.state_machine()))
    }

    /// The log group of the state machine.
    pub fn state_machine_log(&self) -> String {
        format!("/aws/vendedlogs/states/{}", self.names.state_machine())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn site() -> Site {
        Site {
            names: Names { project: "disa".into(), environment: "devl".into() },
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
        }
    }
}
