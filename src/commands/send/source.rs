//! Where many messages come from: a file or standard input, compressed or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::outbox::feed::{Feed, Format};
use crate::ui::Progress;

/// The first bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    format: Format,
    skip: u64,
    /// In bytes as stored; `None` of what can be read only once: standard input, a pipe.
    pub size: Option<u64>,
}

pub type Reader = Box<dyn BufRead + Send>;

impl Source {
    pub fn new(path: &Path, format: Option<Format>, skip: u64) -> Result<Source> {
        let name = path.display().to_string();
        let size = match path.as_os_str() == "-" {
            true => None,
            false => {
                let unreadable = |why: &str| Error::usage(format!("cannot read {name}")).because(why);
                let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error.to_string()))?;
                if metadata.is_dir() {
                    return Err(unreadable("it is a directory").hint("name a file, or `-` for standard input"));
                }
                Some(metadata.len()).filter(|_| metadata.is_file())
            }
        };
        Ok(Source { path: path.to_owned(), format: format.unwrap_or(Format::of(&name)), skip, size })
    }

    pub fn name(&self) -> String {
        match self.path.as_os_str() == "-" {
            true => "standard input".to_owned(),
            false => self.path.display().to_string(),
        }
    }

    /// Begins to read, telling the progress of the bytes.
    pub fn open(&self, progress: Option<Progress>) -> std::io::Result<Feed<Reader>> {
        let file: Box<dyn Read + Send> = match self.path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(File::open(&self.path)?),
        };
        let mut file = Watched { file, progress };
        // A pipe may give them one by one.
        let mut head = vec![];
        file.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
        let compressed = head == GZIP;
        let whole = BufReader::new(Cursor::new(head).chain(file));
        let reader: Reader = match compressed {
            true => Box::new(BufReader::new(MultiGzDecoder::new(whole))),
            false => Box::new(whole),
        };
        Ok(Feed::new(reader, self.format, self.skip))
    }
}

struct Watched<R> {
    file: R,
    progress: Option<Progress>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        if let Some(progress) = &self.progress {
            progress.advance(read as u64);
        }
        Ok(read)
    }
}
