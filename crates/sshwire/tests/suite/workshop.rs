//! A temporary directory with the system's `ssh-keygen` in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use sshwire::{PublicKey, Reader, Signature, SoftSigner};
use tempfile::TempDir;

/// Arguments of `ssh-keygen` for every class of key that needs no hardware.
pub(crate) const SOFTWARE_KEYS: [&[&str]; 5] = [
    &["-t", "ed25519"],
    &["-t", "ecdsa", "-b", "256"],
    &["-t", "ecdsa", "-b", "384"],
    &["-t", "ecdsa", "-b", "521"],
    &["-t", "rsa", "-b", "3072"],
];

pub(crate) struct Workshop {
    dir: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Generates a key pair `name` and `name.pub`; gives the line of the latter.
    pub(crate) fn generate(&self, name: &str, kind: &[&str]) -> String {
        let common = ["-q", "-N", "", "-C", "researcher at a desk", "-f", name];
        self.keygen(&[&common, kind].concat());
        self.read(&format!("{name}.pub"))
    }

    /// Generates an Ed25519 key pair and signs with it here too.
    pub(crate) fn generate_shared(&self, name: &str) -> SoftSigner {
        let line = self.generate(name, &["-t", "ed25519"]);
        let signer = SoftSigner::from_seed(&seed_of(&self.read(name)));
        assert_eq!(signer.public_key(), &PublicKey::from_openssh(&line).unwrap());
        signer
    }

    pub(crate) fn sign(&self, key: &str, namespace: &str, message: &[u8], options: &[&str]) -> String {
        self.write("message", message);
        drop(std::fs::remove_file(self.path("message.sig")));
        self.keygen(&[&["-Y", "sign", "-q", "-f", key, "-n", namespace], options, &["message"]].concat());
        self.read("message.sig")
    }

    /// What `ssh-keygen -Y verify` says of a signature by `key`.
    pub(crate) fn verifies(&self, key: &PublicKey, namespace: &str, message: &[u8], signature: &Signature) -> bool {
        self.write("allowed", format!("commander {key}\n").as_bytes());
        self.write("signature", signature.to_armored().as_bytes());
        let who = ["-Y", "verify", "-f", "allowed", "-I", "commander", "-n", namespace, "-s", "signature"];
        self.run(&who, message).status.success()
    }

    /// Runs `ssh-keygen`, which must succeed; gives what it printed.
    pub(crate) fn keygen(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, b"");
        assert!(output.status.success(), "ssh-keygen {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.dir.path())
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need ssh-keygen (Debian package openssh-client)");
        // It may have refused already, and closed the pipe.
        drop(child.stdin.take().unwrap().write_all(input));
        child.wait_with_output().unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The seed in an unencrypted private key file (OpenSSH's PROTOCOL.key).
fn seed_of(pem: &str) -> [u8; 32] {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let bytes = decode(&base64);
    let mut file = Reader::new(&bytes);
    assert_eq!(file.array("magic"), Ok(b"openssh-key-v1\0"));
    for field in ["cipher", "kdf", "kdf options"] {
        file.string(field).unwrap();
    }
    assert_eq!(file.u32("keys"), Ok(1));
    file.string("public key").unwrap();
    let mut secret = Reader::new(file.string("secret").unwrap());
    assert_eq!(secret.u32("check"), secret.u32("check again"));
    assert_eq!(secret.string("type"), Ok(&b"ssh-ed25519"[..]));
    secret.string("point").unwrap();
    *secret.string_of::<64>("seed and point").unwrap().first_chunk().unwrap()
}

/// Base64 by way of another crate's reading of it, not our own.
pub(crate) fn decode(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}
