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

/// The alarms of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    Breaker,
    Dead,
    Oldest,
    StreamDeadLetters,
    ScheduleDeadLetters,
}

impl Alarm {
    pub const ALL: [Alarm; 5] =
        [Alarm::Breaker, Alarm::Dead, Alarm::Oldest, Alarm::StreamDeadLetters, Alarm::ScheduleDeadLetters];

    /// As the command calls it.
    pub fn word(self) -> &'static str {
        match self {
            Alarm::Breaker => "breaker",
            Alarm::Dead => "dead",
            Alarm::Oldest => "oldest",
            Alarm::StreamDeadLetters => "stream-dead-letters",
            Alarm::ScheduleDeadLetters => "schedule-dead-letters",
        }
    }

    /// The part of the alarm's name that follows the project and the environment.
    pub fn suffix(self) -> &'static str {
        match self {
            Alarm::Breaker => "sns-send-status",
            Alarm::Dead => "dead-messages",
            Alarm::Oldest => "oldest-message",
            Alarm::StreamDeadLetters => "stream-dead-letters",
            Alarm::ScheduleDeadLetters => "schedule-dead-letters",
        }
    }
}

/// The custom metrics beside the status codes of the publishes, whose name is a parameter of the stack. Each
/// has the stack's `MetricPrefix` before it.
pub mod metric {
    /// From the write of a message to its acceptance by SNS, a datapoint a delivery; in milliseconds.
    pub const LATENCY: &str = "DeliveryLatency";
    /// How many messages are in each status, a datapoint a run of the retry function.
    pub const PENDING: &str = "PendingMessages";
    pub const FAILED: &str = "FailedMessages";
    pub const DEAD: &str = "DeadMessages";
    /// How long the oldest Pending or Failure message waits, in seconds; 0 when none does.
    pub const OLDEST: &str = "OldestMessageAge";
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
    /// The breaker.
    pub fn alarm(&self) -> String {
        self.alarm_of(Alarm::Breaker)
    }
    pub fn alarm_of(&self, alarm: Alarm) -> String {
        self.with(alarm.suffix())
    }
    pub fn dashboard(&self) -> String {
        format!("{}-{}", self.project, self.environment)
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
