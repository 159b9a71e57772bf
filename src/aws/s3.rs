//! S3: the bucket of the artifacts.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, ObjectIdentifier,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use gateway::{ServiceError, describe};

pub struct S3 {
    client: Client,
    region: String,
}

/// All versions of one object; a delete marker is one without a size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub ids: Vec<String>,
    /// Of all of them, in bytes.
    pub size: u64,
    /// When the newest was written, in epoch milliseconds.
    pub modified: i64,
}

/// Versions in one request: the most that the service takes (API reference, `DeleteObjects`).
const DELETED_AT_ONCE: usize = 1_000;

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
        match self.client.get_bucket_policy().bucket(name).send().await.map_err(|error| describe(&error)) {
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
    pub async fn secure_bucket(&self, name: &str, partition: &str) -> Result<(), ServiceError> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let request = self.client.put_public_access_block().bucket(name).public_access_block_configuration(block);
        request.send().await.map_err(|error| describe(&error))?;
        if let Ok(default) =
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build()
        {
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
            if let Ok(encryption) = ServerSideEncryptionConfiguration::builder().rules(rule).build() {
                let request =
                    self.client.put_bucket_encryption().bucket(name).server_side_encryption_configuration(encryption);
                request.send().await.map_err(|error| describe(&error))?;
            }
        }
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let request = self.client.put_bucket_versioning().bucket(name).versioning_configuration(versioning);
        request.send().await.map_err(|error| describe(&error))?;
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
        request.send().await.map(|_| ()).map_err(|error| describe(&error))
    }

    pub async fn exists(&self, bucket: &str, key: &str, account: &str) -> Result<bool, ServiceError> {
        let request = self.client.head_object().bucket(bucket).key(key).expected_bucket_owner(account);
        match request.send().await.map_err(|error| describe(&error)) {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
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
            .body(ByteStream::from(bytes));
        match request.send().await.map_err(|error| describe(&error)) {
            Err(error) if error.status != Some(412) => Err(error),
            _ => Ok(()),
        }
    }
}

impl S3 {
    /// Every object below a prefix with all its versions, by key; those that were deleted too, as long as a
    /// version is left.
    pub async fn versions(
        &self,
        bucket: &str,
        prefix: &str,
        account: &str,
    ) -> Result<BTreeMap<String, Versions>, ServiceError> {
        let mut found: BTreeMap<String, Versions> = BTreeMap::new();
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let request = self.client.list_object_versions().bucket(bucket).prefix(prefix);
            let request = request.set_key_marker(key_marker).set_version_id_marker(version_marker);
            let answer = request.expected_bucket_owner(account).send().await.map_err(|error| describe(&error))?;
            let versions = answer.versions().iter().map(|v| (v.key(), v.version_id(), v.size(), v.last_modified()));
            let markers = answer.delete_markers().iter().map(|m| (m.key(), m.version_id(), None, m.last_modified()));
            for (key, id, size, modified) in versions.chain(markers) {
                let object = found.entry(key.unwrap_or_default().to_owned()).or_default();
                object.ids.extend(id.map(str::to_owned));
                object.size += size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                let modified = modified.and_then(|time| time.to_millis().ok()).unwrap_or(0);
                object.modified = object.modified.max(modified);
            }
            match answer.is_truncated() {
                Some(true) => (key_marker, version_marker) = (answer.next_key_marker, answer.next_version_id_marker),
                _ => return Ok(found),
            }
        }
    }

    /// Deletes versions for ever: pairs of a key and a version's id.
    pub async fn delete_versions(
        &self,
        bucket: &str,
        account: &str,
        versions: &[(String, String)],
    ) -> Result<(), ServiceError> {
        let unsendable =
            |text: String| ServiceError { code: "BadRequest".to_owned(), text, status: None, request_id: None };
        for part in versions.chunks(DELETED_AT_ONCE) {
            let mut delete = Delete::builder().quiet(true);
            for (key, id) in part {
                let object = ObjectIdentifier::builder().key(key).version_id(id).build();
                delete = delete.objects(object.map_err(|error| unsendable(error.to_string()))?);
            }
            let delete = delete.build().map_err(|error| unsendable(error.to_string()))?;
            let request = self.client.delete_objects().bucket(bucket).expected_bucket_owner(account).delete(delete);
            let answer = request.send().await.map_err(|error| describe(&error))?;
            // An answer of success may name what was not deleted.
            if let Some(error) = answer.errors().first() {
                let (code, text) = (error.code().unwrap_or("NoErrorCode"), error.message().unwrap_or_default());
                let text = format!("{} stays: {text}", error.key().unwrap_or_default());
                return Err(ServiceError { code: code.to_owned(), text, status: None, request_id: None });
            }
        }
        Ok(())
    }

    /// Deletes an empty bucket; `false` when something was put into it meanwhile.
    pub async fn delete_bucket(&self, bucket: &str, account: &str) -> Result<bool, ServiceError> {
        let request = self.client.delete_bucket().bucket(bucket).expected_bucket_owner(account);
        match request.send().await.map_err(|error| describe(&error)) {
            Ok(_) => Ok(true),
            Err(error) if error.is("NoSuchBucket") => Ok(true),
            Err(error) if error.is("BucketNotEmpty") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The content of an object; `None` when it is not there.
    pub async fn get(&self, bucket: &str, key: &str, account: &str) -> Result<Option<Vec<u8>>, ServiceError> {
        let request = self.client.get_object().bucket(bucket).key(key).expected_bucket_owner(account);
        let answer = match request.send().await.map_err(|error| describe(&error)) {
            Ok(answer) => answer,
            Err(error) if error.is("NoSuchKey") => return Ok(None),
            Err(error) => return Err(error),
        };
        let body = answer.body.collect().await.map_err(|error| ServiceError {
            code: "BadAnswer".to_owned(),
            text: error.to_string(),
            status: None,
            request_id: None,
        })?;
        Ok(Some(body.to_vec()))
    }
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
    async fn all_versions_are_found_and_deleted_and_what_stays_is_an_error() {
        let version = |key: &str, id: &str| {
            format!(
                "<Version><Key>{key}</Key><VersionId>{id}</VersionId><Size>2</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Version>"
            )
        };
        let first = format!(
            "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>{}</ListVersionsResult>",
            version("a", "1")
        );
        let marker = "<DeleteMarker><Key>a</Key><VersionId>3</VersionId><LastModified>2026-01-02T00:00:00Z</LastModified></DeleteMarker>";
        let second = format!(
            "<ListVersionsResult><IsTruncated>false</IsTruncated>{}{}{marker}</ListVersionsResult>",
            version("a", "2"),
            version("b", "1")
        );
        let refused =
            "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>m</Message></Error></DeleteResult>";
        let (config, client) =
            answers(&[(200, &first), (200, &second), (200, "<DeleteResult></DeleteResult>"), (200, refused)]).await;
        let s3 = S3::new(&config, true, "eu-west-1");
        let found = s3.versions("bucket", "p/", "123456789012").await.expect("versions");
        assert_eq!((found["a"].ids.len(), found["a"].size), (3, 4));
        assert!(found["a"].modified > found["b"].modified);
        let pairs = vec![("a".to_owned(), "1".to_owned()); 1_000];
        assert_eq!(s3.delete_versions("bucket", "123456789012", &pairs).await, Ok(()));
        let error = s3.delete_versions("bucket", "123456789012", &pairs[..1]).await.expect_err("refused");
        assert!(error.is("AccessDenied") && error.text.contains("a stays"), "{error}");
        let asked: Vec<String> = client.actual_requests().map(|request| request.uri().to_owned()).collect();
        assert!(asked[1].contains("key-marker=a") && asked[1].contains("version-id-marker=1"), "{asked:?}");
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
