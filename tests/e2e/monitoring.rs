//! What an operator is told without asking: metrics, alarms, and who gets to know of them.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use outbox::item::{Status, backlog_shard};
use outbox::names::{Alarm, Function, metric};
use serde_json::{Value, json};

use crate::Test;
use crate::world::{Deployment, NO_SCHEDULE, World, n, now, s, wait};

pub const TESTS: &[(&str, Test)] =
    &[("metrics_arrive_and_a_dead_message_sets_off_its_alarm", dead), ("the_alarms_tell_a_topic_or_an_address", told)];

/// The largest value of a metric so far, and how many values it had.
pub fn measured(deployment: &Deployment, name: &str) -> Option<(f64, f64)> {
    let client = aws_sdk_cloudwatch::Client::new(&deployment.world.config);
    let time = |ms| aws_sdk_cloudwatch::primitives::DateTime::from_millis(ms);
    let request = client
        .get_metric_statistics()
        .namespace("Disa")
        .metric_name(name)
        .dimensions(Dimension::builder().name("Outbox").value(format!("{}-devl", deployment.project)).build())
        .start_time(time(now() - 3_600_000))
        .end_time(time(now() + 60_000))
        .period(3_600)
        .statistics(Statistic::Maximum)
        .statistics(Statistic::SampleCount);
    let points = deployment.block_on(request.send()).expect("statistics").datapoints.unwrap_or_default();
    let largest = points.iter().filter_map(|point| point.maximum()).reduce(f64::max)?;
    Some((largest, points.iter().filter_map(|point| point.sample_count()).sum()))
}

fn alarms(deployment: &Deployment) -> BTreeMap<String, Value> {
    let listed = deployment.ok(&["alarm", "list"]);
    let rows = listed["items"].as_array().expect("rows").clone();
    rows.into_iter().map(|row| (row["alarm"].as_str().expect("a word").to_owned(), row)).collect()
}

fn dead(world: &'static World) {
    let deployment = world.deploy("monitored", &[NO_SCHEDULE]);
    let name = |metric: &str| format!("monitored-devl-{metric}");
    let words: Vec<String> = alarms(&deployment).into_keys().collect();
    let mut expected = Alarm::ALL.map(|alarm| alarm.word().to_owned());
    expected.sort();
    assert_eq!(words, expected);

    deployment.ok(&["send", "x", "--id", "good", "--wait"]);
    deployment.put_by_hand("poison", &[("message", s(""))]);
    deployment.await_status("poison", Status::Dead);
    // One that waits for its next attempt, in an hour, and has waited for half an hour.
    let fields = [
        ("message", s("x")),
        ("sendStatus", s("Failure")),
        ("backlogShard", s(&backlog_shard(Status::Failure, "old"))),
        ("attempts", n(2)),
        ("dueAt", n(now() + 3_600_000)),
        ("createdAt", n(now() - 1_800_000)),
        ("updatedAt", n(now())),
    ];
    deployment.put_by_hand("old", &fields);
    assert_eq!(measured(&deployment, &name(metric::DEAD)), None, "only the retry function counts");
    let answer = deployment.invoke(Function::Retry, &json!({})).expect("an answer");
    assert_eq!((&answer["claimed"], &answer["remaining"]), (&json!(0), &json!(0)));

    let dead = wait("the dead message to be counted", || measured(&deployment, &name(metric::DEAD)));
    assert_eq!(dead, (1.0, 1.0));
    assert_eq!(measured(&deployment, &name(metric::PENDING)), Some((0.0, 1.0)));
    assert_eq!(measured(&deployment, &name(metric::FAILED)), Some((1.0, 1.0)));
    let (age, samples) = measured(&deployment, &name(metric::OLDEST)).expect("an age");
    assert!((1_800.0..1_900.0).contains(&age) && samples == 1.0, "{age} {samples}");
    let delivered = wait("the latency", || measured(&deployment, &name(metric::LATENCY)));
    assert!(delivered.0 < 60_000.0 && delivered.1 >= 1.0, "{delivered:?}");
    assert!(measured(&deployment, "status-monitored").is_some_and(|(largest, _)| largest == 200.0));

    let alarms = alarms(&deployment);
    assert_eq!(alarms["dead"]["state"], "ALARM", "{alarms:?}");
    assert_eq!(
        (&alarms["oldest"]["state"], &alarms["breaker"]["state"]),
        (&json!("ALARM"), &json!("OK")),
        "{alarms:?}"
    );
    let shown = deployment.ok(&["alarm", "show", "dead"]);
    assert_eq!((&shown["state"], &shown["name"]), (&json!("ALARM"), &json!("monitored-devl-dead-messages")));
    assert_eq!(shown["datapoints"][0]["value"], 1.0, "{shown}");
    assert!(shown["next"].as_str().is_some_and(|next| next.starts_with("disa dead list --local")), "{shown}");
    let changes = deployment.ok(&["alarm", "history", "dead"]);
    assert_eq!(changes["items"][0]["to"], "ALARM", "{changes}");
    let status = deployment.ok(&["status"]);
    let findings = status["findings"].as_array().expect("findings");
    for part in ["a message waits too long", "1 dead: `disa dead list"] {
        assert!(
            findings.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with(part))),
            "{part}: {findings:?}"
        );
    }
    assert_eq!(status["alarms"]["dead"]["state"], "ALARM", "{status}");
    let text = deployment.run(&["alarm", "list"]).out;
    assert!(text.lines().any(|line| line.starts_with("dead ") && line.contains("ALARM")), "{text}");
}

/// The addresses of an alarm's actions.
fn actions(deployment: &Deployment, alarm: Alarm) -> Vec<String> {
    let client = aws_sdk_cloudwatch::Client::new(&deployment.world.config);
    let request = client.describe_alarms().alarm_names(deployment.names.alarm_of(alarm));
    let answer = deployment.block_on(request.send()).expect("alarms");
    let alarm = &answer.metric_alarms()[0];
    assert_eq!(alarm.alarm_actions(), alarm.ok_actions());
    alarm.alarm_actions().to_vec()
}

fn told(world: &'static World) {
    let (sns, sqs) = (aws_sdk_sns::Client::new(&world.config), aws_sdk_sqs::Client::new(&world.config));
    let (topic, url) = world.runtime.block_on(async {
        let topic = sns.create_topic().name("operators").send().await.expect("a topic").topic_arn.expect("an ARN");
        let url = sqs.create_queue().queue_name("operators").send().await.expect("a queue").queue_url.expect("a URL");
        let queue = "arn:aws:sqs:us-east-1:000000000000:operators";
        sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue).send().await.expect("a subscription");
        (topic, url)
    });
    let deployment = world.deploy("told", &[NO_SCHEDULE, &format!("AlarmTopicArn={topic}")]);
    for alarm in Alarm::ALL {
        assert_eq!(actions(&deployment, alarm), std::slice::from_ref(&topic), "{alarm:?}");
    }
    deployment.put_by_hand("poison", &[("message", s(""))]);
    deployment.await_status("poison", Status::Dead);
    deployment.invoke(Function::Retry, &json!({})).expect("an answer");
    wait("the operators to be told", || {
        let request = sqs.receive_message().queue_url(&url).max_number_of_messages(10);
        let messages = deployment.block_on(request.send()).expect("messages").messages.unwrap_or_default();
        let told = |text: &str| text.contains("told-devl-dead-messages") && text.contains("ALARM");
        messages.iter().any(|message| message.body().is_some_and(told)).then_some(())
    });

    // An address instead: the stack makes a topic for it.
    let changed = ["deploy", "--set", "AlarmTopicArn=", "--set", "AlarmEmail=ops@example.com"];
    assert_eq!(deployment.ok(&changed)["status"], "UPDATE_COMPLETE");
    let own = "arn:aws:sns:us-east-1:000000000000:told-devl-alarms".to_owned();
    for alarm in Alarm::ALL {
        assert_eq!(actions(&deployment, alarm), std::slice::from_ref(&own), "{alarm:?}");
    }
    let subscribed = deployment.block_on(sns.list_subscriptions_by_topic().topic_arn(&own).send()).expect("a list");
    let found: Vec<_> = subscribed.subscriptions().iter().filter_map(|one| one.endpoint()).collect();
    assert_eq!(found, ["ops@example.com"]);
}
