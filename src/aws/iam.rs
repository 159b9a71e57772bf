//! IAM: what the caller may do, and how many roles the account has.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType, SummaryKeyType};
use gateway::{ServiceError, describe};

use crate::stack::doctor::Use;
use crate::stack::doctor::permission::Decision;

pub struct Iam {
    client: Client,
}

impl Iam {
    pub fn new(config: &SdkConfig) -> Iam {
        Iam { client: Client::new(config) }
    }

    /// The ARN of a role, with its path, which the ARN of a session does not tell.
    pub async fn role(&self, name: &str) -> Result<String, ServiceError> {
        let answer = self.client.get_role().role_name(name).send().await.map_err(|error| describe(&error))?;
        Ok(answer.role().map(|role| role.arn().to_owned()).unwrap_or_default())
    }

    /// What the policies of a user or role say of actions on a resource. IAM evaluates them and calls nothing.
    pub async fn simulate(
        &self,
        principal: &str,
        resource: &str,
        actions: &[&str],
    ) -> Result<Vec<Decision>, ServiceError> {
        let request = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .resource_arns(resource)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()));
        let mut found = vec![];
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| describe(&error))?;
            found.extend(page.evaluation_results().iter().map(decision));
        }
        Ok(found)
    }

    /// The roles of the account and their quota.
    pub async fn roles(&self) -> Result<Use, ServiceError> {
        let answer = self.client.get_account_summary().send().await.map_err(|error| describe(&error))?;
        let number = |key| answer.summary_map().and_then(|map| map.get(&key)).copied().unwrap_or(0);
        Ok(Use::of(number(SummaryKeyType::Roles), number(SummaryKeyType::RolesQuota)))
    }
}

/// Where a resource was given, the values that are missing stand beside it (API reference, `EvaluationResult`).
fn decision(result: &EvaluationResult) -> Decision {
    let of_resources = result.resource_specific_results().iter().flat_map(|one| one.missing_context_values());
    Decision {
        action: result.eval_action_name().to_owned(),
        allowed: *result.eval_decision() == PolicyEvaluationDecisionType::Allowed,
        unknown: result.missing_context_values().iter().chain(of_resources).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::{answers, requests};

    #[tokio::test]
    async fn decisions_are_read_from_all_pages() {
        let page = |members: &str, rest: &str| {
            format!(
                "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{rest}<EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
            )
        };
        let member = |action: &str, decision: &str, missing: &str| {
            format!(
                "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>r</EvalResourceName><EvalDecision>{decision}</EvalDecision><MissingContextValues></MissingContextValues><ResourceSpecificResults><member><EvalResourceName>r</EvalResourceName><EvalResourceDecision>{decision}</EvalResourceDecision><MissingContextValues>{missing}</MissingContextValues></member></ResourceSpecificResults></member>"
            )
        };
        let first =
            page(&member("sns:CreateTopic", "allowed", ""), "<IsTruncated>true</IsTruncated><Marker>m</Marker>");
        let second = page(
            &member("iam:PassRole", "implicitDeny", "<member>iam:PassedToService</member>"),
            "<IsTruncated>false</IsTruncated>",
        );
        let (config, client) = answers(&[(200, &first), (200, &second)]).await;
        let found = Iam::new(&config).simulate("arn:p", "r", &["sns:CreateTopic", "iam:PassRole"]).await;
        let made = |action: &str, allowed, unknown: &[&str]| Decision {
            action: action.to_owned(),
            allowed,
            unknown: unknown.iter().map(|key| (*key).to_owned()).collect(),
        };
        assert_eq!(
            found,
            Ok(vec![made("sns:CreateTopic", true, &[]), made("iam:PassRole", false, &["iam:PassedToService"])])
        );
        assert!(requests(&client)[1].contains("Marker=m"));
    }

    #[tokio::test]
    async fn a_role_has_a_path() {
        let role = "<GetRoleResponse><GetRoleResult><Role><Path>/ops/</Path><RoleName>deployer</RoleName><RoleId>R</RoleId><Arn>arn:aws:iam::123456789012:role/ops/deployer</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>";
        let (config, _) = answers(&[(200, role)]).await;
        let found = Iam::new(&config).role("deployer").await;
        assert_eq!(found, Ok("arn:aws:iam::123456789012:role/ops/deployer".into()));
    }

    #[tokio::test]
    async fn the_roles_and_their_quota_stand_in_the_summary() {
        let entry = |key: &str, value: i32| format!("<entry><key>{key}</key><value>{value}</value></entry>");
        let body = format!(
            "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>{}{}{}</SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>",
            entry("Users", 9),
            entry("Roles", 990),
            entry("RolesQuota", 1000)
        );
        let (config, _) = answers(&[(200, &body)]).await;
        assert_eq!(Iam::new(&config).roles().await, Ok(Use { used: 990, limit: 1000 }));
    }
}
