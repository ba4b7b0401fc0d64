//! Settings of media files.

use blobs::BucketSettings;
use engine::media::MediaSettings;
use jiff::SignedDuration;
use secrecy::SecretString;

/// Settings of media files.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaConfig {
    /// Storage of the content.
    pub(crate) store: MediaStore,
    /// Bucket, if the storage is `s3`.
    pub(crate) s3: S3Config,
    /// `true` if the gateway downloads linked files itself.
    pub(crate) fetches_links: bool,
    /// Retention of files from customers, in days; 0 means no limit.
    pub(crate) keep_days: u32,
    /// Retention of uploaded files, in days.
    pub(crate) keep_upload_days: u32,
    /// Maximum size of a file in bytes.
    pub(crate) max_bytes: u32,
}

domain::text_enum! {
    /// Storage of media content.
    #[derive(Default)]
    pub(crate) enum MediaStore {
        /// Folder in `data_dir`.
        #[default]
        File = "file",
        /// Bucket of an S3-compatible object store.
        S3 = "s3",
    }
}

/// Bucket of an S3-compatible object store.
#[derive(Clone, Debug, Default)]
pub(crate) struct S3Config {
    /// Name of the bucket.
    pub(crate) bucket: Option<String>,
    /// Endpoint URL, unless it is Amazon S3.
    pub(crate) endpoint: Option<String>,
    /// Region.
    pub(crate) region: String,
    /// Access key id.
    pub(crate) access_key_id: Option<String>,
    /// Secret access key.
    pub(crate) secret_access_key: Option<SecretString>,
    /// Prefix of all object names.
    pub(crate) prefix: String,
}

/// Error: a setting that the bucket needs is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`media.store` is `s3`, but `{0}` is not set")]
pub(crate) struct MissingBucketSetting(&'static str);

impl MediaConfig {
    /// Returns the settings of the engine.
    pub(crate) fn settings(&self) -> MediaSettings {
        let days = |days: u32| SignedDuration::from_hours(i64::from(days).saturating_mul(24));
        MediaSettings {
            fetches_links: self.fetches_links,
            max_bytes: self.max_bytes.into(),
            keep_inbound_for: (self.keep_days > 0).then(|| days(self.keep_days)),
            keep_uploads_for: days(self.keep_upload_days),
        }
    }

    /// Returns the settings of the bucket.
    ///
    /// # Errors
    /// If a required setting is missing.
    pub(crate) fn bucket(&self) -> Result<BucketSettings, MissingBucketSetting> {
        let S3Config { bucket, endpoint, region, access_key_id, secret_access_key, prefix } = self.s3.clone();
        Ok(BucketSettings {
            bucket: bucket.ok_or(MissingBucketSetting("media.s3.bucket"))?,
            endpoint,
            region,
            access_key_id: access_key_id.ok_or(MissingBucketSetting("media.s3.access_key_id"))?,
            secret_access_key: secret_access_key.ok_or(MissingBucketSetting("media.s3.secret_access_key"))?,
            prefix,
        })
    }
}
