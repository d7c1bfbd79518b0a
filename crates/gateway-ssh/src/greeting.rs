//! The client's first words, heard before our own list of ciphers goes out: a client that knows AES-GCM is offered nothing else.
//!
//! In SSH the client's first choice wins, and OpenSSH prefers ChaCha20, at about half the speed of AES-GCM. To offer AES-GCM alone would shut out who does
//! not know it. Both sides may send their KEXINIT first (RFC 4253, section 7.1), so we wait for the client's, a moment long. What was heard is put back
//! for russh, which judges it; here nothing is refused.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::first_words::{Client, understand};
use crate::valve::Paced;

/// Our identification, without its line end (RFC 4253, section 4.2).
pub(crate) const IDENTIFICATION: &str = "SSH-2.0-Sekimori";
/// A client that says nothing until it has heard our list is given all of it after this.
const CLIENT_FIRST: Duration = Duration::from_millis(300);

/// Says who we are and hears what the client knows. `stream` afterwards gives all that was read once more, and takes our identification once more
/// without sending it.
///
/// # Errors
/// Where our identification cannot be sent or the stream fails.
pub(crate) async fn greet(stream: &mut Paced) -> io::Result<Client> {
    let ours = format!("{IDENTIFICATION}\r\n");
    stream.write_all(ours.as_bytes()).await?;
    let mut heard = Vec::new();
    let listened = timeout(CLIENT_FIRST, listen(stream, &mut heard)).await;
    stream.put_back(&heard);
    stream.already_said(ours.into_bytes());
    Ok(listened.unwrap_or(Ok(None))?.unwrap_or(Client::Other))
}

/// `None`: the client hung up.
async fn listen(stream: &mut Paced, heard: &mut Vec<u8>) -> io::Result<Option<Client>> {
    loop {
        if let Some(client) = understand(heard) {
            return Ok(Some(client));
        }
        // Cancelled while it waits, it has read nothing.
        if stream.read_buf(heard).await? == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::first_words::tests::{CHACHA_FIRST, opening};
    use crate::valve::{Valve, WhenFull};

    #[tokio::test]
    async fn what_was_heard_is_read_again_and_our_name_is_said_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = Paced::new(listener.accept().await.unwrap().0, Valve::new(WhenFull::Trickle));
        let said = [opening([CHACHA_FIRST; 2]), b"more".to_vec()].concat();
        client.write_all(&said).await.unwrap();
        assert_eq!(greet(&mut stream).await.unwrap(), Client::KnowsAesGcm);
        stream.write_all(b"SSH-2.0-Sekimori\r\nnext").await.unwrap();
        let mut again = vec![0; said.len()];
        stream.read_exact(&mut again).await.unwrap();
        assert!(again == said);
        drop(stream);
        let mut ours = Vec::new();
        client.read_to_end(&mut ours).await.unwrap();
        assert_eq!(ours, b"SSH-2.0-Sekimori\r\nnext");
    }

    #[tokio::test]
    async fn a_client_that_waits_for_us_is_not_kept_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = Paced::new(listener.accept().await.unwrap().0, Valve::new(WhenFull::Trickle));
        client.write_all(b"SSH-2.0-waits\r\n").await.unwrap();
        assert_eq!(greet(&mut stream).await.unwrap(), Client::Other);
    }

    #[tokio::test]
    async fn a_stream_that_says_another_name_after_ours_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = Paced::new(listener.accept().await.unwrap().0, Valve::new(WhenFull::Trickle));
        stream.already_said(b"SSH-2.0-Sekimori\r\n".to_vec());
        assert!(stream.write_all(b"SSH-2.0-Another!\r\n").await.is_err());
    }
}
