//! Whose the bucket is, where it lies, and how it is set.

use gateway::{ServiceError, describe};

use super::S3;
use crate::stack::doctor::bucket::{Place, Settings};

impl S3 {
    /// Where a bucket lies, and whether it is the account's.
    pub async fn place(&self, name: &str, account: &str) -> Result<Place, ServiceError> {
        let head = self.client.head_bucket().bucket(name).expected_bucket_owner(account).send().await;
        let error = match head {
            Ok(answer) => {
                let region = answer.bucket_region().unwrap_or(&self.region);
                return Ok(if region == self.region { Place::Ours } else { Place::Elsewhere(region.to_owned()) });
            }
            Err(error) => error,
        };
        // The header is there with every answer about a bucket that exists (S3 API reference, `HeadBucket`).
        let region = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
        let region = region.map(str::to_owned);
        let error = describe(&error);
        match error.status {
            Some(404) => Ok(Place::Missing),
            Some(301) => Ok(Place::Elsewhere(region.unwrap_or_else(|| "another region".to_owned()))),
            Some(403) => Ok(Place::NotOurs),
            _ => Err(error),
        }
    }

    /// The settings of a bucket of ours.
    pub async fn settings(&self, name: &str, account: &str) -> Result<Settings, ServiceError> {
        let block = self.client.get_public_access_block().bucket(name).expected_bucket_owner(account).send();
        let versioning = self.client.get_bucket_versioning().bucket(name).expected_bucket_owner(account).send();
        let encryption = self.client.get_bucket_encryption().bucket(name).expected_bucket_owner(account).send();
        let policy = self.client.get_bucket_policy().bucket(name).expected_bucket_owner(account).send();
        let block = or_none(block.await.map_err(|error| describe(&error)))?;
        let versioning = versioning.await.map_err(|error| describe(&error))?;
        let encryption = or_none(encryption.await.map_err(|error| describe(&error)))?;
        let policy = or_none(policy.await.map_err(|error| describe(&error)))?;
        let private = block.as_ref().and_then(|answer| answer.public_access_block_configuration()).is_some_and(|all| {
            [
                all.block_public_acls(),
                all.ignore_public_acls(),
                all.block_public_policy(),
                all.restrict_public_buckets(),
            ]
            .iter()
            .all(|set| *set == Some(true))
        });
        Ok(Settings {
            private,
            versioned: versioning.status().is_some_and(|status| status.as_str() == "Enabled"),
            encrypted: encryption.is_some_and(|answer| answer.server_side_encryption_configuration().is_some()),
            policy: policy.and_then(|answer| answer.policy().map(str::to_owned)),
        })
    }
}

/// `None` for a setting that was never made: `NoSuchBucketPolicy`, `NoSuchPublicAccessBlockConfiguration`,
/// `ServerSideEncryptionConfigurationNotFoundError` (S3 API reference, error responses).
fn or_none<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Err(error) if error.code.starts_with("NoSuch") || error.code.ends_with("NotFoundError") => Ok(None),
        answer => answer.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_bucket_is_missing_elsewhere_not_ours_or_ours() {
        let (config, client) = answers(&[(404, ""), (301, ""), (403, ""), (200, ""), (503, "")]).await;
        let s3 = S3::new(&config, true, "eu-west-1");
        for expected in [Place::Missing, Place::Elsewhere("another region".into()), Place::NotOurs, Place::Ours] {
            assert_eq!(s3.place("b", "123456789012").await, Ok(expected));
        }
        assert!(s3.place("b", "123456789012").await.is_err());
        let owner = "x-amz-expected-bucket-owner";
        assert!(client.actual_requests().all(|request| request.headers().get(owner) == Some("123456789012")));
    }

    #[tokio::test]
    async fn settings_that_were_never_made_are_not_there() {
        let none = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        let (block, encryption, policy) = (
            none("NoSuchPublicAccessBlockConfiguration"),
            none("ServerSideEncryptionConfigurationNotFoundError"),
            none("NoSuchBucketPolicy"),
        );
        let blocked = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
        let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let aes = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
        let (config, _) = answers(&[
            (404, &block),
            (200, "<VersioningConfiguration/>"),
            (404, &encryption),
            (404, &policy),
            (200, blocked),
            (200, enabled),
            (200, aes),
            (200, "{}"),
        ])
        .await;
        let s3 = S3::new(&config, true, "eu-west-1");
        assert_eq!(s3.settings("b", "1").await, Ok(Settings::default()));
        let made = Settings { private: true, versioned: true, encrypted: true, policy: Some("{}".into()) };
        assert_eq!(s3.settings("b", "1").await, Ok(made));
    }
}
