//! `sekimori init trust`: the directory that a verifier goes by, from a founding that both founders signed.

use std::path::Path;

use super::{SealedArgs, read_sealed};
use crate::acts::key_line;
use crate::desk::Desk;
use crate::failure::Outcome;
use crate::files;
use crate::trust::TrustDir;

pub(super) fn run(dir: &Path, sealed: &SealedArgs, desk: &mut Desk<'_>) -> Outcome<()> {
    let (draft, _) = read_sealed(sealed)?;
    let mut sheet = desk.sheet("say-you-trust", &[("origin", draft.founding.origin.to_string().into())]);
    for founder in &draft.founding.founders {
        sheet.row("label-founder", key_line(&founder.key));
    }
    desk.confirm(&sheet, "say-trust-them")?;
    let written = TrustDir::write(dir, &draft.founding)?.map(|path| files::shown(&path));
    desk.answer(&serde_json::json!({ "files": written }), |desk| {
        for path in &written {
            desk.say("say-written", &[("path", path.as_str().into())]);
        }
    });
    Ok(())
}
