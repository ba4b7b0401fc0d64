//! The settings about files.

use std::path::PathBuf;

use blobs::BucketSettings;
use engine::media::MediaSettings;
use jiff::SignedDuration;
use secrecy::SecretString;

use super::Config;

/// What an operator may set about files.
#[derive(Clone, Debug)]
pub(crate) struct MediaConfig {
    /// Where their content is kept.
    pub(crate) store: MediaStore,
    /// The bucket, where it is kept in one.
    pub(crate) s3: S3Config,
    /// Whether links are fetched here.
    pub(crate) fetches_links: bool,
    /// Days for which customers' files are kept; 0 is for ever.
    pub(crate) keep_days: u32,
    /// Days for which files for customers are kept.
    pub(crate) keep_upload_days: u32,
    /// The most bytes of a file.
    pub(crate) max_bytes: u32,
}

/// Where content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaStore {
    /// In a folder.
    File,
    /// In a bucket that speaks S3's language.
    S3,
}

impl MediaStore {
    /// The word of the setting.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::S3 => "s3",
        }
    }
}

/// A bucket.
#[derive(Clone, Debug)]
pub(crate) struct S3Config {
    /// Its name.
    pub(crate) bucket: Option<String>,
    /// Where it is, if not at Amazon.
    pub(crate) endpoint: Option<String>,
    /// Its region.
    pub(crate) region: String,
    /// Who asks.
    pub(crate) access_key_id: Option<String>,
    /// The proof.
    pub(crate) secret_access_key: Option<SecretString>,
    /// What stands before every name.
    pub(crate) prefix: String,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            store: MediaStore::File,
            s3: S3Config {
                bucket: None,
                endpoint: None,
                region: "us-east-1".to_owned(),
                access_key_id: None,
                secret_access_key: None,
                prefix: "media".to_owned(),
            },
            fetches_links: false,
            keep_days: 90,
            keep_upload_days: 30,
            max_bytes: 100 << 20,
        }
    }
}

/// A setting without which the bucket cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`media.store` is `s3`, but `{0}` is not set")]
pub(crate) struct MissingBucketSetting(&'static str);

impl MediaConfig {
    /// What the engine has to know.
    pub(crate) fn settings(&self) -> MediaSettings {
        let days = |days: u32| SignedDuration::from_hours(i64::from(days).saturating_mul(24));
        MediaSettings {
            fetches_links: self.fetches_links,
            max_bytes: self.max_bytes.into(),
            keep_inbound_for: (self.keep_days > 0).then(|| days(self.keep_days)),
            keep_uploads_for: days(self.keep_upload_days),
        }
    }

    /// The bucket.
    ///
    /// # Errors
    /// When a setting is missing.
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

impl Config {
    /// Where files are kept, unless they are kept in a bucket.
    pub(crate) fn media_dir(&self) -> PathBuf {
        self.data_dir.join("media")
    }
}
