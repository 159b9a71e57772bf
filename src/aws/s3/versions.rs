//! Objects with all their versions: read, listed, and deleted for ever.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use gateway::{ServiceError, describe};

use super::S3;

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
}
