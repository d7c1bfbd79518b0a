# `doctor` が見つけたこと。キーはサーバが決める。

doctor-keeper-answers = 鍵番（keeper）は応答しています
doctor-keeper-away = 鍵番（keeper）が応答しません: { $why }
doctor-checkpoint = 最後に署名した検査点は、{ $size } 件中 { $signed } 件の台帳項目を含みます
doctor-front-connected = ゲートウェイは接続されています
doctor-front-away = ゲートウェイが接続されていません。進行中の接続は、それでも期限どおりに終わります
doctor-users-apart = 鍵番・エンジン・ゲートウェイは三つのユーザで動いています
doctor-users-one = 鍵番・エンジン・ゲートウェイが一つのユーザで動いています。一つに侵入されると、すべてのファイルに手が届きます
doctor-fence-whole = カーネルが各プロセスを自分のフォルダに閉じ込めています
doctor-fence-partly = カーネルによる閉じ込めは一部だけです。新しいカーネル（6.12）ならより多く守れます
doctor-fence-absent = カーネルがプロセスを自分のフォルダに閉じ込めていません（Landlock がないか、無効です）
doctor-administrators = 鍵を持つ管理者は { $have } 名です
doctor-administrators-few = 鍵を持つ管理者が { $have } 名しかいません。一人を凍結でき、失われた鍵を取り替えられるよう、{ $advised } 名以上にしてください
doctor-clock-unseen = 対象 { $target } の時計は、まだ一度も確認されていません。`sekimori target probe { $target }` を実行してください
doctor-clock-far = 対象 { $target } の時計が { $offset } ミリ秒ずれています。合わせるまで、そこでは何も開けません
doctor-clock-near = 対象 { $target } の時計のずれは { $offset } ミリ秒です

missing-founding = 二名による創設（`sekimori init`）
missing-persons = 鍵を持つ人（{ $need } 名中 { $have } 名）
missing-policy = アクセス規則（`sekimori rule set`）
missing-account = 申請できるアカウント（`sekimori target add`、`sekimori account add`）
missing-clock-confirmed = 二名による時刻の確認（`sekimori clock confirm`）
