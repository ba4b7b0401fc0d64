//! Detection of the type of a file from its first bytes.
//!
//! The table is our own. Meta accepts nineteen types, and Meta's list says which of them share a container format.

/// Type that the first bytes of a file show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectedType {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// GIF, which Meta does not accept.
    Gif,
    /// MPEG-4 container with video, or with unknown content.
    Mp4,
    /// MPEG-4 container with audio only.
    M4a,
    /// 3GPP container.
    ThreeGp,
    /// MP3.
    Mp3,
    /// AAC frames.
    Aac,
    /// AMR.
    Amr,
    /// Ogg with Opus, or with an unknown codec.
    Ogg,
    /// Ogg with Vorbis, which Meta does not accept.
    Vorbis,
    /// PDF.
    Pdf,
    /// OLE container of Microsoft Office until 2003: Word, Excel or PowerPoint.
    Ole,
    /// Word (Office Open XML).
    Docx,
    /// PowerPoint (Office Open XML).
    Pptx,
    /// Excel (Office Open XML).
    Xlsx,
    /// Office Open XML whose first bytes do not show the application.
    Office,
    /// ZIP archive, which Meta does not accept.
    Zip,
    /// HTML page.
    Html,
    /// JSON document.
    Json,
    /// XML document, such as SVG.
    Xml,
    /// Any other text.
    Text,
    /// Executable program, which Meta does not accept.
    Program,
    /// Any other content.
    Other,
}

impl DetectedType {
    /// Detects the type from the first bytes.
    pub fn of(head: &[u8]) -> Self {
        let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        if is(0, b"\xff\xd8\xff") {
            Self::Jpeg
        } else if is(0, b"\x89PNG\r\n\x1a\n") {
            Self::Png
        } else if is(0, b"RIFF") && is(8, b"WEBP") {
            Self::Webp
        } else if is(0, b"GIF87a") || is(0, b"GIF89a") {
            Self::Gif
        } else if is(4, b"ftyp") {
            match head.get(8..12) {
                Some(b"M4A " | b"M4B " | b"M4P ") => Self::M4a,
                Some([b'3', b'g', ..]) => Self::ThreeGp,
                Some(_) | None => Self::Mp4,
            }
        } else if is(0, b"OggS") {
            if contains(head, b"\x01vorbis") { Self::Vorbis } else { Self::Ogg }
        } else if is(0, b"#!AMR") {
            Self::Amr
        } else if is(0, b"ID3") {
            Self::Mp3
        } else if let [0xff, second, ..] = head
            && second & 0xe0 == 0xe0
        {
            // After eleven bits of sync, layer 0 is AAC in ADTS; other layers are MPEG audio.
            if second & 0x06 == 0 { Self::Aac } else { Self::Mp3 }
        } else if is(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
            Self::Ole
        } else if is(0, b"PK\x03\x04") {
            archive(head)
        } else if is(0, b"MZ") || is(0, b"\x7fELF") || is(0, b"\xcf\xfa\xed\xfe") {
            Self::Program
        } else if let Some(markup) = markup(head) {
            markup
        } else if contains(head.get(..PDF_HEADER_BYTES).unwrap_or(head), b"%PDF-") {
            Self::Pdf
        } else if is_text(head) {
            Self::Text
        } else {
            Self::Other
        }
    }

    /// Returns `true` if the content is text, whatever its format.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Html | Self::Json | Self::Xml)
    }

    /// Returns Meta's types that the file can have, the most likely first.
    pub fn can_be(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["image/jpeg"],
            Self::Png => &["image/png"],
            Self::Webp => &["image/webp"],
            // Phones write audio into this container with the brand of a video.
            Self::Mp4 => &["video/mp4", "audio/mp4", "video/3gpp"],
            Self::M4a => &["audio/mp4"],
            Self::ThreeGp => &["video/3gpp", "video/mp4", "audio/mp4"],
            Self::Mp3 => &["audio/mpeg"],
            Self::Aac => &["audio/aac"],
            Self::Amr => &["audio/amr"],
            // Meta accepts an upload as audio/opus and then fails the message with 131053.
            Self::Ogg => &["audio/ogg"],
            Self::Pdf => &["application/pdf"],
            Self::Ole => &["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"],
            Self::Docx => &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
            Self::Pptx => &["application/vnd.openxmlformats-officedocument.presentationml.presentation"],
            Self::Xlsx => &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
            Self::Office => &[
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            ],
            Self::Text | Self::Html | Self::Json | Self::Xml => &["text/plain"],
            Self::Gif | Self::Vorbis | Self::Zip | Self::Program | Self::Other => &[],
        }
    }

    /// Returns the name of the type, for a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "a JPEG image",
            Self::Png => "a PNG image",
            Self::Webp => "a WebP image",
            Self::Gif => "a GIF image",
            Self::Mp4 => "an MP4 file",
            Self::M4a => "an MP4 sound file",
            Self::ThreeGp => "a 3GPP file",
            Self::Mp3 => "an MP3 file",
            Self::Aac => "an AAC file",
            Self::Amr => "an AMR file",
            Self::Ogg => "an Ogg file",
            Self::Vorbis => "an Ogg file with Vorbis, not Opus",
            Self::Pdf => "a PDF file",
            Self::Ole => "an old Office file",
            Self::Docx => "a Word file",
            Self::Pptx => "a PowerPoint file",
            Self::Xlsx => "an Excel file",
            Self::Office => "an Office file",
            Self::Zip => "a ZIP archive",
            Self::Html => "an HTML page",
            Self::Json => "JSON",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Program => "a program",
            Self::Other => "of a type that is not known here",
        }
    }
}

/// Number of bytes at the beginning of a file among which readers of PDF search for its header (ISO 32000-1, annex H.3.4.1).
const PDF_HEADER_BYTES: usize = 1024;

/// Detects HTML, XML and JSON. A byte order mark and white space at the beginning are skipped.
fn markup(head: &[u8]) -> Option<DetectedType> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |start: &str| {
        text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
    };
    if ["<!doctype html", "<html", "<head", "<body", "<script"].iter().any(|start| begins(start)) {
        return Some(DetectedType::Html);
    }
    let is_element = matches!(text, [b'<', second, ..] if second.is_ascii_alphabetic());
    if is_text(head) && (begins("<?xml") || begins("<!--") || is_element) {
        return Some(DetectedType::Xml);
    }
    let rest = text.get(1..).unwrap_or_default().trim_ascii_start();
    let is_json = match text.first()? {
        b'{' => matches!(rest.first(), Some(b'"' | b'}')),
        b'[' => matches!(rest.first(), Some(b'{' | b'[' | b'"')),
        _ => false,
    };
    (is_json && is_text(head)).then_some(DetectedType::Json)
}

/// Returns `true` if a WebP file is animated, by the flag of its extended header.
pub(super) fn is_animated(head: &[u8]) -> bool {
    head.get(12..16) == Some(b"VP8X") && head.get(20).is_some_and(|flags| flags & 0x02 != 0)
}

/// Detects the type of a ZIP archive from the file names at its beginning.
fn archive(head: &[u8]) -> DetectedType {
    if contains(head, b"word/") {
        DetectedType::Docx
    } else if contains(head, b"ppt/") {
        DetectedType::Pptx
    } else if contains(head, b"xl/") {
        DetectedType::Xlsx
    } else if contains(head, b"[Content_Types].xml") || contains(head, b"_rels/") {
        DetectedType::Office
    } else {
        DetectedType::Zip
    }
}

fn contains(head: &[u8], needle: &[u8]) -> bool {
    head.windows(needle.len()).any(|window| window == needle)
}

/// Returns `true` if the bytes are text: UTF-8 that may be cut anywhere, or UTF-16 with a byte order mark, without
/// control characters.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be incomplete.
        Err(error) if error.error_len().is_none() => head
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
        // Text in a single-byte encoding, such as Windows-1252: every byte except control characters.
        Err(_) => return head.iter().all(|byte| !is_control(*byte)),
    };
    text.bytes().all(|byte| !is_control(byte))
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)
}
