# `doctor` が見つけたこと。キーはサーバが決める。

doctor-keeper-answers = 鍵番（keeper）は応答しています
doctor-keeper-away = 鍵番（keeper）が応答しません: { $why }
doctor-checkpoint = 最後に署名した検査点は、{ $size } 件中 { $signed } 件の台帳項目を含みます
doctor-front-connected = ゲートウェイは接続されています
doctor-front-away = ゲートウェイが接続されていません。進行中の接続は、それでも期限どおりに終わります
doctor-clock-unseen = 対象 { $target } の時計は、まだ一度も確認されていません。`sekimori target probe { $target }` を実行してください
doctor-clock-far = 対象 { $target } の時計が { $offset } ミリ秒ずれています。合わせるまで、そこでは何も開けません
doctor-clock-near = 対象 { $target } の時計のずれは { $offset } ミリ秒です

missing-founding = 二名による創設（`sekimori init`）
missing-persons = 鍵を持つ人（{ $need } 名中 { $have } 名）
missing-policy = アクセス規則（`sekimori rule set`）
missing-account = 申請できるアカウント（`sekimori target add`、`sekimori account add`）
missing-clock-confirmed = 二名による時刻の確認（`sekimori clock confirm`）
