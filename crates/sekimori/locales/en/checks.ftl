# What `doctor` finds. The server names the keys.

doctor-keeper-answers = the keeper answers
doctor-keeper-away = the keeper does not answer: { $why }
doctor-checkpoint = the last signed checkpoint covers { $signed } of { $size } entries
doctor-front-connected = the gateway is connected
doctor-front-away = the gateway is not connected; live sessions still end in time
doctor-users-apart = keeper, engine and gateway run as three users
doctor-users-one = keeper, engine and gateway run as one user: whoever breaks into one reaches the files of all
doctor-fence-whole = the kernel keeps each process to its own folders
doctor-fence-partly = the kernel keeps each process to its own folders only in part; a newer kernel (6.12) does more
doctor-fence-absent = the kernel does not keep the processes to their own folders (Landlock is missing or off)
doctor-administrators = { $have } administrators have a key
doctor-administrators-few = only { $have } administrators have a key; have at least { $advised }, so that one can be frozen and a lost key replaced
doctor-clock-unseen = the clock of { $target } was never looked at; `sekimori target probe { $target }`
doctor-clock-far = the clock of { $target } is { $offset } ms off; nothing opens there until it is set right
doctor-clock-near = the clock of { $target } is { $offset } ms off

missing-founding = a founding by two persons: `sekimori init`
missing-persons = persons with a key: { $have } of { $need }
missing-policy = rules of access: `sekimori rule set`
missing-account = an account to ask for: `sekimori target add`, `sekimori account add`
missing-clock-confirmed = two persons' word on the time: `sekimori clock confirm`
