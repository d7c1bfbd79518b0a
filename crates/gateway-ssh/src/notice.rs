//! What the gateway itself writes to a person: notices, warnings, ends. Pure: bytes in, bytes out.

use std::time::Duration;

use crate::authorise::Why;
use crate::gate::{EndReason, Language, Refusal};

/// How far before the end a terminal is warned.
pub const WARN_BEFORE: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(60)];
/// Longest line shown, in characters; what a refusal or an order brings is cut there.
const MAX_LINE_CHARS: usize = 400;

/// Leaves a full-screen program's screen and its mouse and paste modes, so that last words can be read.
pub const LEAVE_SCREEN: &[u8] =
    b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\r\n";

/// Where the words go: a raw terminal needs carriage returns, a pipe does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Terminal,
    Pipe,
}

/// Lines under the product's name, ready to be written.
pub fn lines<'a>(screen: Screen, texts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let end = match screen {
        Screen::Terminal => "\r\n",
        Screen::Pipe => "\n",
    };
    texts.into_iter().flat_map(|text| format!("sekimori: {}{end}", plain(text)).into_bytes()).collect()
}

/// A refusal: its sentence, its code and what to do next.
pub fn refusal(screen: Screen, refusal: &Refusal) -> Vec<u8> {
    let first = format!("{} [{}]", refusal.sentence, refusal.code);
    let hint = refusal.hint.as_ref().map(|hint| format!("hint: {hint}"));
    lines(screen, [Some(first.as_str()), hint.as_deref()].into_iter().flatten())
}

/// Why a channel or request was refused.
pub const fn why(why: Why, language: Language) -> &'static str {
    match (why, language) {
        (Why::NotInTerms, Language::English) => "this grant does not allow this kind of channel",
        (Why::NotInTerms, Language::Japanese) => "この許可では、この種のチャネルは使えません",
        (Why::NoForwarding, Language::English) => "this grant allows no forwarding",
        (Why::NoForwarding, Language::Japanese) => "この許可では転送は使えません",
        (Why::ForwardElsewhere, Language::English) => "the grant does not name this destination",
        (Why::ForwardElsewhere, Language::Japanese) => "この許可に、その転送先は含まれていません",
        (Why::NoAgent, Language::English) => "agent forwarding is not allowed through this gate",
        (Why::NoAgent, Language::Japanese) => "この関所ではエージェント転送は使えません",
        (Why::NoX11, Language::English) => "X11 forwarding is not allowed through this gate",
        (Why::NoX11, Language::Japanese) => "この関所では X11 転送は使えません",
        (Why::NoSubsystems, Language::English) => "this grant allows no such subsystem",
        (Why::NoSubsystems, Language::Japanese) => "この許可では、このサブシステムは使えません",
        (Why::NotSftp, Language::English) => "what came does not read as SFTP version 3",
        (Why::NotSftp, Language::Japanese) => "SFTP バージョン 3 として読めないデータを受け取りました",
        (Why::EnvNotListed, Language::English) => "this environment variable is not on the list",
        (Why::EnvNotListed, Language::Japanese) => "この環境変数は許可一覧にありません",
    }
}

/// Why the session is over; `None` where the person ended it.
pub fn end(reason: &EndReason, language: Language) -> Option<String> {
    let text = match (reason, language) {
        (EndReason::ClientLeft, _) => return None,
        (EndReason::ClientSilent, Language::English) => {
            "no sign of life from your client; the session was closed".into()
        }
        (EndReason::ClientSilent, Language::Japanese) => "クライアントの応答がないため、接続を閉じました".into(),
        (EndReason::TargetLeft, Language::English) => "the target closed the connection".into(),
        (EndReason::TargetLeft, Language::Japanese) => "対象が接続を閉じました".into(),
        (EndReason::TargetSilent, Language::English) => {
            "no sign of life from the target; the session was closed".into()
        }
        (EndReason::TargetSilent, Language::Japanese) => "対象の応答がないため、接続を閉じました".into(),
        (EndReason::TargetRefused(why), Language::English) => format!("the target cannot be used: {why}"),
        (EndReason::TargetRefused(why), Language::Japanese) => format!("対象に接続できません: {why}"),
        (EndReason::GrantEnded, Language::English) => "the grant has ended; the session was closed".into(),
        (EndReason::GrantEnded, Language::Japanese) => "許可の期限が来たため、接続を閉じました".into(),
        (EndReason::Killed(why), Language::English) if why.is_empty() => "the session was closed by order".into(),
        (EndReason::Killed(why), Language::Japanese) if why.is_empty() => "命令により接続を閉じました".into(),
        (EndReason::Killed(why), Language::English) => format!("the session was closed by order: {why}"),
        (EndReason::Killed(why), Language::Japanese) => format!("命令により接続を閉じました: {why}"),
        (EndReason::RecordingFailed, Language::English) => {
            "the recording could not be kept; the session was closed".into()
        }
        (EndReason::RecordingFailed, Language::Japanese) => "記録を保存できないため、接続を閉じました".into(),
        (EndReason::LimitBroken, Language::English) => "a limit of the gate was broken; the session was closed".into(),
        (EndReason::LimitBroken, Language::Japanese) => "関所の上限を超えたため、接続を閉じました".into(),
        (EndReason::GatewayFault, Language::English) => "the gate had a fault; the session was closed".into(),
        (EndReason::GatewayFault, Language::Japanese) => "関所の障害のため、接続を閉じました".into(),
        (EndReason::GatewayStopped, Language::English) => "the gate is stopping; the session was closed".into(),
        (EndReason::GatewayStopped, Language::Japanese) => "関所が停止するため、接続を閉じました".into(),
    };
    Some(text)
}

/// A channel that kept the others of its connection waiting was closed.
pub const fn held_others_up(language: Language) -> &'static str {
    match language {
        Language::English => "this channel was not read for too long and held up the others; it was closed",
        Language::Japanese => "このチャネルが長く読まれず他のチャネルを止めていたため、閉じました",
    }
}

/// The target would not give a terminal or start what was asked.
pub const fn target_declined(language: Language) -> &'static str {
    match language {
        Language::English => "the target refused this request",
        Language::Japanese => "対象がこの要求を拒否しました",
    }
}

/// What a person without a target may do.
pub const fn control_only() -> &'static str {
    "no target in the login name; hint: ssh ACCOUNT@TARGET@GATE, or ssh GATE sekimori COMMAND"
}

/// A warning for a terminal: cursor saved, own line at the bottom, cursor restored. The caller asks for a redraw afterwards.
pub fn warning(left: Duration, language: Language) -> Vec<u8> {
    let minutes = left.as_secs().div_ceil(60);
    let text = match language {
        Language::English => format!("sekimori: this session ends in {minutes} min"),
        Language::Japanese => format!("sekimori: この接続はあと {minutes} 分で終わります"),
    };
    format!("\x1b7\x1b[999;1H\x1b[0;7m\x1b[2K {text} \x1b[0m\x1b8").into_bytes()
}

/// One line, without anything a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_LINE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_carriage_returns_and_a_pipe_does_not() {
        assert_eq!(lines(Screen::Terminal, ["a", "b"]), b"sekimori: a\r\nsekimori: b\r\n");
        assert_eq!(lines(Screen::Pipe, ["a"]), b"sekimori: a\n");
    }

    #[test]
    fn a_refusal_shows_sentence_code_and_hint() {
        let shown = refusal(
            Screen::Pipe,
            &Refusal {
                code: "no-grant".into(),
                sentence: "no grant for `root@db1`".into(),
                hint: Some("ask for one".into()),
                exit: 1,
            },
        );
        assert_eq!(shown, b"sekimori: no grant for `root@db1` [no-grant]\nsekimori: hint: ask for one\n");
    }

    #[test]
    fn words_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(lines(Screen::Terminal, ["a\x1b[2J\nb\u{9b}c"]), b"sekimori: a[2Jbc\r\n");
    }

    #[test]
    fn a_warning_leaves_the_cursor_where_it_was() {
        let text = String::from_utf8(warning(Duration::from_secs(60), Language::English)).unwrap();
        assert!(text.starts_with("\x1b7") && text.ends_with("\x1b8") && text.contains("1 min"), "{text:?}");
        assert!(!text.contains('\n'));
    }
}
