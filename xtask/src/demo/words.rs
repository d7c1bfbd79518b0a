//! Everything that the demo says, short enough to be understood in one reading.

use crate::lang::words;

words! {
    ERROR: "error", "エラー";
    BUILDING: "building sekimori", "sekimori を組み立てます";
    NO_BINARY: "no `sekimori` was built", "`sekimori` ができていません";
    PATH_TOO_LONG: "`{}` is too long a path for the demo's sockets\nhint: build elsewhere, e.g. CARGO_TARGET_DIR=/tmp/sekimori cargo xtask demo",
        "`{}` は、デモのソケットには長すぎるパスです\nヒント: 別の場所で組み立ててください。例: CARGO_TARGET_DIR=/tmp/sekimori cargo xtask demo";
    NOT_RUNNING: "no demo is running", "デモは動いていません";
    STOPPED: "the demo is stopped and its files are removed", "デモを止め、ファイルを消しました";
    ANOTHER_RUN: "another run of the demo is under way here\nhint: wait for it, or end it with `cargo xtask demo --stop`",
        "ここでは別のデモが進行中です\nヒント: 終わるのを待つか、`cargo xtask demo --stop` で終わらせてください";
    ENDED_BY_ANOTHER: "another run, with --fresh or --stop, has ended this one", "--fresh または --stop を付けた別の実行が、このデモを終わらせました";
    MADE_ANEW: "an earlier demo is there, but its servers have ended; it is made anew",
        "前のデモがありますが、サーバーが止まっています。作り直します";
    FOUND: "the demo of an earlier run is up (--fresh makes a new one, --stop ends it)",
        "前に始めたデモが動いています(--fresh で作り直し、--stop で終了)";
    LOGS_AT: "nothing of the demo runs any more; its logs are in {}", "デモは止めました。ログは {} にあります";

    SETTING_UP: "setting up", "準備";
    TARGET_NAMESPACED: "target db1: a real sshd ({}) with its own files, processes, network and host name; what is done there does not touch this machine",
        "対象 db1: 本物の sshd({})。ファイル・プロセス・ネットワーク・ホスト名は独自で、そこで何をしてもこの機械には触れません";
    TARGET_AS_ROOT: "target db1: a real sshd ({}) on a high port, as root on THIS machine: the kernel gives no namespaces here ({})",
        "対象 db1: 高いポートの本物の sshd({})。名前空間を使えないため「この機械」の root で動きます({})";
    TARGET_PLAIN: "target db1: a real sshd ({}) of your own on a high port; its account is you (as root, the demo makes a machine of its own)",
        "対象 db1: 高いポートに立てた本物の sshd({})。アカウントはあなた自身です(root なら独自の機械を作ります)";
    NO_SSHD: "there is no sshd here ({}), so db1 is a small SSH server of this repository, NOT Debian's sshd. It takes the gate's certificates by the same rules: authority, account, validity, source address",
        "ここには sshd がありません({})。そこで db1 は、本物の sshd ではなく、このリポジトリの小さな SSH サーバーです。関所の証明書を同じ規則(認証局・アカウント・期限・接続元)で受け入れます";
    STAND_IN_NAMESPACED: "target db1 has its own files, processes, network and host name; what is done there does not touch this machine",
        "対象 db1 のファイル・プロセス・ネットワーク・ホスト名は独自で、そこで何をしてもこの機械には触れません";
    STAND_IN_AS_ROOT: "target db1 is on a high port, as root on THIS machine: the kernel gives no namespaces here ({})",
        "対象 db1 は高いポートにあり、名前空間を使えないため「この機械」の root で動きます({})";
    STAND_IN_PLAIN: "target db1 is on a high port; its account is you", "対象 db1 は高いポートにあり、アカウントはあなた自身です";
    FOUNDED: "founded: service-owner and commander made the keys and signed, each with the other's fingerprint in hand",
        "創設: service-owner と commander が、互いの指紋を確かめて署名しました";
    PEOPLE: "people: researcher, system-owner, auditor; each proposed by one founder and agreed to by the other",
        "人: researcher、system-owner、auditor。いずれも創設者の一人が提案し、もう一人が同意しました";
    FACES: "the researcher has three personas (researcher, researcher-admin, researcher-other) and, found out and linked, a second record (sock-puppet)",
        "researcher には三つのペルソナ(researcher、researcher-admin、researcher-other)と、発覚して結び付けられた二つ目の登録(sock-puppet)があります";
    RULE: "the rule: operators may ask for servers, for at most an hour; one system owner must approve",
        "規則: operators は最長1時間、サーバーを申請できる。system-owners の一人の承認が要る";
    HOW_TO_FOLLOW: "each line after `$` can be typed as it stands; Enter runs it",
        "`$` の後はそのまま入力できます。Enter で実行します";
    ENTER: "Enter", "Enter で進む";
    NOT_AS_EXPECTED: "that is not what was expected here; if you ran the command yourself already, it is", "ここで予想した結果と違います。先に自分で実行していたなら、それが理由です";
    AS_ABOVE: "… (the fields, as above)", "…(内容は上と同じ)";

    NOBODY_IS_ROOT: "Nobody is root: the gate refuses whoever holds no grant, and the target takes nobody's own key",
        "誰も root ではない: 許可が無ければ関所は通さず、対象は誰の鍵も受け入れない";
    BLANK_PURPOSE: "A request that does not say what for is no request", "目的を言わない申請は、申請ではない";
    RESEARCH_PERSONA: "The persona that faces the internet can never ask for privilege", "インターネットに向く研究用ペルソナは、特権を申請できない";
    SELF_APPROVAL: "Nobody approves for themselves: not with another persona, not with a second record of the same person",
        "自分の申請は承認できない: 別のペルソナでも、同じ人の二つ目の登録でも";
    ALL_APPROVERS: "all three are in the approvers' group: what refuses them is that they are one person",
        "三つとも承認者グループの一員。それでも断られるのは、同じ人だから";
    PASSAGE: "Asked for, approved by another person's own key, passed with the system's `ssh`; the grant lasts 90 seconds",
        "申請し、別の人が自分の鍵で承認し、普通の `ssh` で通る。許可は90秒";
    IN_A_ROW: "the clock runs from the request on, so these commands follow each other by themselves",
        "申請の時から時計が進むので、ここのコマンドは続けて実行します";
    STOLEN: "Meanwhile: root on the target keeps the certificate that let this passage in, and tries it without the gate",
        "その間に: 対象の root が、通した証明書を手元に残し、関所を通さずに使ってみる";
    SEEN_BY_TARGET: "the target's own log:", "対象自身のログ:";
    NO_KEY: "the target takes the certificate (it is valid now), but its key never left the gate's memory: no login",
        "証明書は今は有効なので対象は受け入れる。しかし鍵は関所のメモリから出ないので、ログインできない";
    STAYS_OPEN: "the first session stays open and idle; when the grant ends, the gate ends it",
        "最初の接続は開いたまま。許可の終わりに関所が閉じる";
    LEFT: "… about {} s left", "… 残り約 {} 秒";
    CLOSED: "the session closed {} s after the request, with the grant", "接続は申請から {} 秒後、許可とともに閉じた";
    CLOSED_EARLY: "the session closed {} s after the request, before the grant's end", "接続は申請から {} 秒後、許可の終わりより前に閉じました";
    ENDED_OTHERWISE: "the ledger names another reason than the grant's end", "台帳にある終わりの理由は、許可の期限ではありません";
    STILL_OPEN: "the session was still open {} s after the request", "申請から {} 秒たっても接続が開いていました";
    AFTER_THE_END: "After the end: the gate lets nobody through, and the same certificate is refused by the target itself",
        "終わりの後: 関所は通さず、同じ証明書を対象自身も拒む";
    CERTIFICATE_OVER: "the certificate was good for one account on one target, from one address, until 60 s after it was signed; nothing is left that opens db1",
        "証明書は一つの対象の一つのアカウントに、一つの接続元から、署名から60秒だけ有効だった。db1 を開くものは何も残っていない";
    REPLAY: "The auditor watches the recording; who watched, and why, is in the ledger before the first byte",
        "監査人が録画を見る。誰がなぜ見たかは、最初の1バイトより先に台帳に残る";
    PROOF: "The proof: the recording against the ledger, the ledger against the state, and the grant without any server",
        "証明: 録画を台帳と、台帳を現在の状態と照合し、許可はサーバー無しで検証する";
    OFFLINE: "there is no server at /nowhere: the file and the founders' two fingerprints are enough",
        "/nowhere にサーバーは無い。ファイルと創設者二人の指紋だけで足りる";
    CHANGED_BYTE: "One byte changed, in a copy of the grant's file and in a copy of the ledger: both are found",
        "1バイトだけ変える: 許可のファイルの写しでも、台帳の写しでも、見つかる";
    CHANGED: "changed in {}: one byte of who approved, `{}` → `{}`", "{} を変更: 承認者の1バイト、`{}` → `{}`";
    WITHIN_COPY: "an engine started on the changed copy:", "変えた写しでエンジンを起動すると:";
    CHANGE_MISSED: "a changed byte was not found", "変えた1バイトが見つかりませんでした";

    SHOULD_PASS: "this should have passed", "これは通るはずでした";
    SHOULD_REFUSE: "this should have been refused, but ended with {}", "これは断られるはずでしたが、結果は {} でした";
    LET_IN: "the target let somebody in past the gate", "対象が、関所を通らない人を入れました";
    NOT_SEEN: "the target's log does not say `{}`", "対象のログに `{}` がありません";

    PURPOSE: "rotate the WAL archive, CHG-142", "WAL アーカイブの入れ替え、CHG-142";
    REVIEW: "quarterly sample of privileged sessions", "特権接続の四半期抜き取り確認";
    LOOK_AROUND: "look around, CHG-7", "見て回る、CHG-7";

    UP: "The gate and the target are up. Go on by hand:", "関所と対象は動いています。続きは手でどうぞ:";
    TO_PASS: "pass the gate: ask, approve with the id you are shown, log in, and be put out after 90 seconds",
        "関所を通る: 申請し、表示された id を承認し、ログインする。90秒で閉じられます";
    TO_LOOK: "look on, from another terminal", "別の端末から見る";
    TO_KNOW_MORE: "everything else: {} auditor sekimori --help; the people are the files in {}",
        "ほかのすべて: {} auditor sekimori --help。人は {} のファイルです";
    TO_END: "`cargo xtask demo --stop` ends it and removes its files; --fresh begins anew",
        "`cargo xtask demo --stop` で終了して消去、--fresh で作り直し";
    DONE: "That was the tour. The servers are ended and their files removed.", "以上です。サーバーを止め、ファイルを消しました。";
}
