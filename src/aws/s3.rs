//! S3: the bucket of the artifacts.

mod settings;
mod versions;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumMode, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::{ServiceError, describe};
use sha2::{Digest, Sha256};

pub use versions::Versions;

pub struct S3 {
    client: Client,
    region: String,
}

/// What an object holds, as far as S3 tells without sending it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Missing,
    /// Its bytes are these, by checksum, or by length where S3 keeps no checksum.
    Same,
    Other,
}

/// What `deploy` finds where the bucket should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    Missing,
    /// Ours, but its settings were not all made.
    Unfinished,
    Ready,
    /// The name belongs to another account, or these credentials may not use it.
    NotOurs,
}

impl S3 {
    pub fn new(config: &SdkConfig, path_style: bool, region: &str) -> S3 {
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        S3 { client: Client::from_conf(config), region: region.to_owned() }
    }

    pub async fn bucket(&self, name: &str, account: &str) -> Result<Bucket, ServiceError> {
        let head = self.client.head_bucket().bucket(name).expected_bucket_owner(account).send().await;
        match head.map_err(|error| describe(&error)) {
            Ok(_) => {}
            Err(error) => match error.status {
                Some(404) => return Ok(Bucket::Missing),
                Some(403 | 301) => return Ok(Bucket::NotOurs),
                _ => return Err(error),
            },
        }
        // The policy is the last of the settings.
        match self
            .client
            .get_bucket_policy()
            .bucket(name)
            .expected_bucket_owner(account)
            .send()
            .await
            .map_err(|error| describe(&error))
        {
            Ok(_) => Ok(Bucket::Ready),
            Err(error) if error.is("NoSuchBucketPolicy") => Ok(Bucket::Unfinished),
            Err(error) => Err(error),
        }
    }

    pub async fn create_bucket(&self, name: &str) -> Result<(), ServiceError> {
        let mut request = self.client.create_bucket().bucket(name);
        // us-east-1 is no location constraint (S3 API reference, CreateBucket).
        if self.region != "us-east-1" {
            let location = BucketLocationConstraint::from(self.region.as_str());
            let place = CreateBucketConfiguration::builder().location_constraint(location).build();
            request = request.create_bucket_configuration(place);
        }
        match request.send().await.map_err(|error| describe(&error)) {
            Err(error) if !error.is("BucketAlreadyOwnedByYou") => Err(error),
            _ => Ok(()),
        }
    }

    /// Private, encrypted, versioned, and for TLS only.
    pub async fn secure_bucket(&self, name: &str, account: &str, partition: &str) -> Result<(), ServiceError> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let request = self.client.put_public_access_block().bucket(name).public_access_block_configuration(block);
        request.expected_bucket_owner(account).send().await.map_err(|error| describe(&error))?;
        if let Ok(default) =
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build()
        {
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
            if let Ok(encryption) = ServerSideEncryptionConfiguration::builder().rules(rule).build() {
                let request =
                    self.client.put_bucket_encryption().bucket(name).server_side_encryption_configuration(encryption);
                request.expected_bucket_owner(account).send().await.map_err(|error| describe(&error))?;
            }
        }
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let request = self.client.put_bucket_versioning().bucket(name).versioning_configuration(versioning);
        request.expected_bucket_owner(account).send().await.map_err(|error| describe(&error))?;
        let bucket_arn = format!("arn:{partition}:s3:::{name}");
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, format!("{bucket_arn}/*")],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            }],
        });
        let request = self.client.put_bucket_policy().bucket(name).policy(policy.to_string());
        request.expected_bucket_owner(account).send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    /// Looks whether an object is there, and whether it holds these bytes.
    pub async fn stored(&self, bucket: &str, key: &str, account: &str, bytes: &[u8]) -> Result<Stored, ServiceError> {
        let request = self.client.head_object().bucket(bucket).key(key).expected_bucket_owner(account);
        let found = match request.checksum_mode(ChecksumMode::Enabled).send().await.map_err(|error| describe(&error)) {
            Ok(found) => found,
            Err(error) if error.status == Some(404) => return Ok(Stored::Missing),
            Err(error) => return Err(error),
        };
        let same = match found.checksum_sha256() {
            Some(checksum) => checksum == sha256(bytes),
            None => found.content_length().is_some_and(|length| u64::try_from(length) == Ok(bytes.len() as u64)),
        };
        Ok(if same { Stored::Same } else { Stored::Other })
    }

    /// Writes an object that is not there yet; one that is there is left as it is.
    pub async fn put_new(&self, bucket: &str, key: &str, account: &str, bytes: Vec<u8>) -> Result<(), ServiceError> {
        let request = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .expected_bucket_owner(account)
            .if_none_match("*")
            // S3 refuses what arrives otherwise than it was sent, and keeps the checksum.
            .checksum_sha256(sha256(&bytes))
            .body(ByteStream::from(bytes));
        match request.send().await.map_err(|error| describe(&error)) {
            Err(error) if error.status != Some(412) => Err(error),
            _ => Ok(()),
        }
    }
}

/// As S3 writes it.
fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::replay::answers;

    #[tokio::test]
    async fn a_bucket_is_missing_unfinished_ready_or_not_ours() {
        let no_policy = "<Error><Code>NoSuchBucketPolicy</Code><Message>m</Message></Error>";
        let recorded = [(404, ""), (403, ""), (301, ""), (200, ""), (404, no_policy), (200, ""), (200, "{}")];
        let (config, _) = answers(&recorded).await;
        let s3 = S3::new(&config, true, "eu-west-1");
        for expected in [Bucket::Missing, Bucket::NotOurs, Bucket::NotOurs, Bucket::Unfinished, Bucket::Ready] {
            assert_eq!(s3.bucket("b", "123456789012").await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn an_object_is_known_by_its_checksum_or_its_length() {
        let (config, _) = answers(&[(404, ""), (200, "")]).await;
        let s3 = S3::new(&config, true, "eu-west-1");
        assert_eq!(s3.stored("b", "k", "123456789012", &[1]).await, Ok(Stored::Missing));
        assert_eq!(s3.stored("b", "k", "123456789012", &[1]).await, Ok(Stored::Other));
        // `printf 1 | sha256sum | xxd -r -p | base64`
        assert_eq!(sha256(b"1"), "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=");
    }

    #[tokio::test]
    async fn an_object_that_somebody_else_wrote_meanwhile_is_left() {
        let there = "<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>";
        let (config, client) = answers(&[(412, there), (500, "")]).await;
        let s3 = S3::new(&config, true, "eu-west-1");
        assert_eq!(s3.put_new("b", "k", "123456789012", vec![1]).await, Ok(()));
        assert!(s3.put_new("b", "k", "123456789012", vec![1]).await.is_err());
        let header =
            |name: &str| client.actual_requests().next().and_then(|r| r.headers().get(name).map(str::to_owned));
        assert_eq!(header("if-none-match").as_deref(), Some("*"));
        assert_eq!(header("x-amz-expected-bucket-owner").as_deref(), Some("123456789012"));
    }
}
