//! The gateway's own host key: made at the first start, kept for ever.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::{LineEnding, private::Ed25519Keypair};

use crate::FrontError;

pub(crate) fn load_or_make(own: &Path) -> Result<PrivateKey, FrontError> {
    let path = own.join("ssh_host_ed25519_key");
    let failed = |why: String| FrontError::HostKey { path: path.clone(), why };
    if !path.exists() {
        make(&path).map_err(failed)?;
    }
    let text = fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
    PrivateKey::from_openssh(&text).map_err(|e| failed(e.to_string()))
}

/// Beside it the public half, for known_hosts.
fn make(path: &Path) -> Result<(), String> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| "no random bytes".to_owned())?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key.to_openssh(LineEnding::LF).map_err(|e| e.to_string())?;
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| e.to_string())?;
    }
    let write = |path: &Path, text: &str, mode| -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write(path, &text, 0o600).map_err(|e| e.to_string())?;
    let public = key.public_key().to_openssh().map_err(|e| e.to_string())?;
    write(&path.with_extension("pub"), &format!("{public}\n"), 0o644).map_err(|e| e.to_string())
}
