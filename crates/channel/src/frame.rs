//! A frame: four bytes of length, big-endian, then JSON. Blocking and asynchronous readers share the limit.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::ChannelError;

/// Longest frame in bytes: a tegata with its proof fits several times.
pub const LONGEST_FRAME: usize = 8 << 20;

/// One frame, ready to be written whole.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, ChannelError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > LONGEST_FRAME {
        return Err(ChannelError::TooLong { length });
    }
    let prefix = u32::try_from(length).expect("the limit is far below").to_be_bytes();
    bytes.splice(..4, prefix);
    Ok(bytes)
}

pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> Result<(), ChannelError> {
    to.write_all(&encode(message)?)?;
    Ok(to.flush()?)
}

pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, ChannelError> {
    read_short(from, LONGEST_FRAME)
}

/// As [`read`], from somebody who has proved nothing yet: at most `limit` bytes.
pub fn read_short<T: DeserializeOwned>(from: &mut impl Read, limit: usize) -> Result<T, ChannelError> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).map_err(closed)?;
    let mut body = vec![0; length(prefix, limit)?];
    from.read_exact(&mut body).map_err(closed)?;
    Ok(serde_json::from_slice(&body)?)
}

pub async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<(), ChannelError> {
    to.write_all(&encode(message)?).await?;
    Ok(to.flush().await?)
}

pub async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, ChannelError> {
    receive_short(from, LONGEST_FRAME).await
}

/// As [`receive`], from somebody who has proved nothing yet: at most `limit` bytes.
pub async fn receive_short<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<T, ChannelError> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await.map_err(closed)?;
    let mut body = vec![0; length(prefix, limit)?];
    from.read_exact(&mut body).await.map_err(closed)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Checked before anything is allocated.
fn length(prefix: [u8; 4], limit: usize) -> Result<usize, ChannelError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > limit.min(LONGEST_FRAME) { Err(ChannelError::TooLong { length }) } else { Ok(length) }
}

fn closed(error: std::io::Error) -> ChannelError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { ChannelError::Closed } else { ChannelError::Io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back() {
        let mut wire = Vec::new();
        write(&mut wire, &("hello", 3)).unwrap();
        assert_eq!(read::<(String, u8)>(&mut wire.as_slice()).unwrap(), ("hello".to_owned(), 3));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_is_believed() {
        let wire = [0xff, 0xff, 0xff, 0xff, 0];
        assert!(matches!(read::<u8>(&mut wire.as_slice()), Err(ChannelError::TooLong { .. })));
    }

    #[test]
    fn a_frame_cut_short_is_a_closed_channel() {
        let wire = [0, 0, 0, 9, b'1'];
        assert!(matches!(read::<u8>(&mut wire.as_slice()), Err(ChannelError::Closed)));
        assert!(matches!(read::<u8>(&mut [0, 0].as_slice()), Err(ChannelError::Closed)));
    }
}
