//! The predictable names of the resources of one deployment, so that most commands need no look-up of the
//! stack. The templates build the same names from `ProjectName` and `Environment`.

/// The environments that a deployment can be.
pub const ENVIRONMENTS: [&str; 3] = ["devl", "test", "prod"];

/// The three functions, by the names of their zips and crates' binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    InitProcess,
    Process,
    Retry,
}

impl Function {
    pub const ALL: [Function; 3] = [Function::InitProcess, Function::Process, Function::Retry];

    /// The binary, and the stem of its zip: `disa_process`.
    pub fn binary(self) -> &'static str {
        match self {
            Function::InitProcess => "disa_init_process",
            Function::Process => "disa_process",
            Function::Retry => "disa_retry",
        }
    }

    /// The part of the function's name that follows the project and the environment.
    pub fn suffix(self) -> &'static str {
        match self {
            Function::InitProcess => "init-process",
            Function::Process => "process",
            Function::Retry => "retry",
        }
    }
}

/// One deployment: `disa` in `devl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub project: String,
    pub environment: String,
}

impl Names {
    fn with(&self, suffix: &str) -> String {
        format!("{}-{}-{suffix}", self.project, self.environment)
    }

    pub fn stack(&self) -> String {
        self.with("root-stack")
    }
    pub fn table(&self) -> String {
        self.with("messages")
    }
    pub fn function(&self, function: Function) -> String {
        self.with(function.suffix())
    }
    pub fn log_group(&self, function: Function) -> String {
        format!("/aws/lambda/{}", self.function(function))
    }
    pub fn state_machine(&self) -> String {
        self.with("state-machine")
    }
    pub fn topic(&self) -> String {
        self.with("notification")
    }
    pub fn alarm(&self) -> String {
        self.with("sns-send-status")
    }
    pub fn schedule(&self) -> String {
        self.with("retry")
    }
    /// Stream batches that the init function could not take.
    pub fn stream_dead_letters(&self) -> String {
        self.with("stream-dead-letters")
    }
    /// Runs of the schedule that could not be delivered.
    pub fn schedule_dead_letters(&self) -> String {
        self.with("schedule-dead-letters")
    }
    /// The bucket of the artifacts, one per account and region: bucket names are global.
    pub fn bucket(&self, account: &str, region: &str) -> String {
        format!("{}-artifacts-{account}-{region}", self.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_deployments_share_no_name() {
        let names = |environment: &str| Names { project: "disa".into(), environment: environment.into() };
        assert_eq!(names("devl").table(), "disa-devl-messages");
        assert_eq!(names("prod").function(Function::InitProcess), "disa-prod-init-process");
        assert_ne!(names("devl").topic(), names("test").topic());
    }
}
