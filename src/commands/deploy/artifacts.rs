//! The bucket of the artifacts, and what is uploaded to it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::aws::Identity;
use crate::aws::s3::{Bucket, S3, Stored};
use crate::context::Context;
use crate::error::{Doing, Error, Kind, Result};
use crate::stack::bundle::Bundle;

/// Uploads under way at once.
const UPLOADS: usize = 6;

pub async fn ensure_bucket(context: &Context, identity: &Identity, name: &str) -> Result<()> {
    let s3 = context.clients.s3();
    let doing = format!("make the bucket {name}");
    let state = s3.bucket(name, &identity.account).await.doing(&format!("look at the bucket {name}"))?;
    match state {
        Bucket::Ready => return Ok(()),
        Bucket::NotOurs => {
            return Err(Error::new(
                Kind::Access,
                format!("the bucket {name} is not this account's, or may not be used"),
            )
            .hint(format!("take another one: `{}`", context.again("deploy --bucket NAME"))));
        }
        Bucket::Missing => s3.create_bucket(name).await.doing(&doing)?,
        Bucket::Unfinished => {}
    }
    s3.secure_bucket(name, &identity.account, &identity.partition).await.doing(&doing)?;
    context.ui.note(&format!("Made the bucket {name}: private, encrypted, versioned, TLS only"));
    Ok(())
}

/// Uploads what the bucket does not have yet.
pub async fn upload(context: &Context, identity: &Identity, bucket: &str, bundle: &Bundle) -> Result<()> {
    let s3: &S3 = &context.clients.s3();
    let account = identity.account.as_str();
    let progress = context.ui.progress("uploading", Some(bundle.artifacts.len() as u64));
    let advance = || progress.advance(1);
    let uploaded: Vec<bool> = stream::iter(&bundle.artifacts)
        .map(|artifact| async move {
            let doing = format!("upload {} to the bucket {bucket}", artifact.key);
            let stored = s3.stored(bucket, &artifact.key, account, &artifact.bytes).await.doing(&doing)?;
            match stored {
                Stored::Same => {}
                Stored::Missing => {
                    s3.put_new(bucket, &artifact.key, account, artifact.bytes.clone()).await.doing(&doing)?;
                }
                // Its name says what it holds: somebody has put something else there.
                Stored::Other => return Err(tampered(bucket, &artifact.key)),
            }
            advance();
            Ok::<bool, Error>(stored == Stored::Missing)
        })
        .buffer_unordered(UPLOADS)
        .try_collect()
        .await?;
    drop(progress);
    let new = uploaded.iter().filter(|new| **new).count();
    let others = if new == uploaded.len() { "" } else { "; the others were there" };
    context.ui.note(&format!("Uploaded {new} of {} artifacts{others}", uploaded.len()));
    Ok(())
}

fn tampered(bucket: &str, key: &str) -> Error {
    Error::failed(format!("the object {key} does not hold what its name says"))
        .because(format!("somebody has written to the bucket {bucket} by hand"))
        .hint(format!("find out who, then delete it: `aws s3 rm s3://{bucket}/{key}`; the next deployment writes it"))
}
