# What the commands show and ask.

## Sentences
say-sign = sign this? [y/N]
say-host-keys-right = are these the target's own keys? [y/N]
say-trust-them = trust these founders? [y/N]
say-type-other-fingerprint = type the other founder's fingerprint, as they read it out to you:
say-recorded = recorded as entry { $seq } at { $time }
say-second-needed = motion { $motion } waits for a second person: sekimori motion second { $motion }
say-recovery-under-way = notice: recovery { $recovery } gives persona { $persona } the new key { $key } from { $after }; if you know nothing of it: sekimori recover object { $recovery }

say-request-filed = request { $request } awaits approval: sekimori wait request { $request }
say-granted = grant { $grant } for { $account }
say-more-approvals = further approvals are awaited
say-was-refused = the request was refused
say-rule = { $name }: members of { $requesters } may ask for { $accounts }; { $approvals ->
    [one] one of { $approvers } approves
   *[other] { $approvals } of { $approvers } approve
  }; at most { $longest }; { $channels }
say-terms = at most { $longest }; { $channels }; approvals: { $approvals }
say-label-names-nobody = note: labels stand in the ledger for ever and must not name a person

say-card-written = card written: { $path }; give it to an administrator, who adds a { $adds } with it
say-founder-card = founder's card written: { $path }; your key is { $key }
say-draft-made = draft made: { $path }; both founders sign it on their own machines with `sekimori init sign`
say-share = recovery share { $index }, any { $threshold } of which restore the key:
say-shares-once = the shares are shown this once and kept nowhere; give each to another person
say-shares-in = the shares lie in { $path }; give each to another person and delete the files
say-founding-signed = signed: { $path }; bring it to the server for `sekimori init seal`
say-founded = { $origin } is founded
say-recovery-setup = any { $threshold } of { $shares } shares, after { $delay }
say-recovery-started = recovery { $recovery } is under way; everybody is told until it is finished
say-written = written: { $path }

say-enrol = put these files on { $target }, owned by root and writable by root alone:
say-enrol-reload =
    Then `sshd -t && systemctl reload ssh` there. Where root itself is an account, sshd needs `PermitRootLogin prohibit-password`.
say-enrol-pinned = pinned host key: { $key }
say-enrol-read-back = on { $target } itself, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` must show a pinned key; then `sekimori target probe { $target }`
say-founders-untrusted = note: no trust directory is set; the founding is signed by { $founders }
say-target-goes-on = note: what was started on the target goes on while nothing flows

say-tegata-written = tegata written: { $path }
say-ledger-exporting = exporting { $size } entries
say-ledger-passed = { $entries } of { $size } entries
say-ledger-checked = { $entries } entries checked
say-ledger-written = ledger of { $entries } entries written: { $path }
say-ledger-proved = The whole ledger is proved: every entry, signature and rule under the checkpoint.
say-proof-written = proof written: { $path }
say-exported = recording exported: { $path }
say-only-to-anchor = What comes after the part that an anchor binds rests on the word of whoever held the file.
say-recording-exported = recording written: { $path }, its anchors: { $anchors }
say-fetching = fetching { $size } KiB
say-replay-over = end of the recording
say-replay-agrees = { $entries ->
    [one] the one entry folds to the state that the server has
   *[other] all { $entries } entries fold to the state that the server has
  }
say-on-servers-word = This rests on the server's word:
say-entry-not-proved = That its signatures are those of the persons it names, and its time, rest on the server's word.

say-origin = { $origin }
say-not-founded = not founded
say-ready = ready
say-not-ready = not ready: nothing opens

## Titles
say-whoami = you are
say-person = person
say-policy = rules of access
say-request = request
say-grant = grant
say-founding = the founding
say-scanned = { $address } says that these are its host keys
say-card = you sign that you hold this key; the card adds a { $adds }
say-you-ask = you ask
say-you-approve = you approve
say-you-refuse = you refuse
say-you-found = you found { $origin }
say-you-recover = the recovery key signs: this persona gets a new key
say-you-trust = verifiers will trust the founders of { $origin }
say-proved = This is proved:
say-entry-proved = This entry stands in the log:
say-recording-verified = The recording verifies:

act-person-add = add a person
act-persona-add = add a persona
act-key-enrol = enrol a key
act-group-join = join a group
act-identity-link = two records are one natural person
act-person-thaw = thaw a person
act-target-add = add a target
act-target-pin = pin other host keys
act-account-add = add an account
act-policy-set = set the rules of access
act-clock-confirm = confirm the time

deed-request-withdraw = you withdraw the request
deed-grant-return = you give the grant back
deed-grant-revoke = you revoke the grant
deed-motion-withdraw = you withdraw the motion
deed-person-freeze = you freeze the person
deed-person-leave = you say that the person has left
deed-group-leave = you take the person out of the group
deed-key-add = you add a key of your own
deed-key-retire = you retire the key for ever
deed-session-freeze = you freeze the session
deed-session-thaw = you thaw the session
deed-session-kill = you end the session
deed-replay-permit = you open the recording
deed-recovery-object = you object to the recovery

## Empty lists
say-more = there is more: { $command }
say-no-accounts = no accounts
say-no-entries = no entries
say-no-grants = no grants
say-no-groups = no groups
say-no-keys = no keys
say-no-motions = no motions
say-no-people = nobody
say-no-policy = no rules yet: nothing is allowed
say-no-recoveries = no recoveries under way
say-no-requests = no requests
say-no-sessions = no sessions
say-no-targets = no targets

## Labels of lines
label-account = account
label-address = address
label-approvals = approvals
label-approved-by = approved by
label-approvers = approvers
label-beneficiary = for
label-bytes = bytes
label-ca-key = certificate key
label-channels = channels
label-anchors = anchors
label-bound-until = bound by an anchor
label-end = its end
label-checkpoints = checkpoints
label-signatures = signatures
label-first-entry = first entry
label-last-entry = last entry
label-root = root
label-extends = extends checkpoint of
label-chunks = chunks
label-class = class
label-complete = whole, nothing lost
label-created = created
label-dies = dies undecided
label-does-not-open = does not open
label-end-in-ledger = ends as in the ledger
label-entries-proved = entries proved
label-entry = entry
label-errand-login = errands log in as
label-errands = errands
label-filed = filed
label-founder = founder
label-founders = founders
label-frames = frames
label-from = from
label-grant = grant
label-granted = granted
label-group = group
label-groups = groups
label-host-key = host key
label-host-keys = host keys
label-host-keys-before = host keys before
label-key = key
label-kind = kind
label-length = length
label-log-key = log key
label-motion = motion
label-motion-statement = motion's hash
label-needs = needs
label-opened = opened
label-origin = installation
label-owner = owner
label-pending-limit = may wait
label-person = person
label-persona = persona
label-policy = rules, version
label-principal = principal
label-proposer = proposed by
label-purpose = purpose
label-reader = reading key
label-reading-key = reading key
label-reason = reason
label-record-input = keystrokes
label-recovery = recovery
label-recovery-key = recovery key
label-request = request
label-request-statement = request's hash
label-requested-by = requested by
label-requester = requested by
label-rule = rule
label-same-as = same person as
label-session = session
label-signer = signed with
label-since = since
label-size = checkpoint at
label-standing = standing
label-statement = signed hash
label-target = target
label-tier = tier
label-time = time
label-to-be-filed-by = to be filed by
label-until = until
label-version = version
label-what = what
label-you = you
label-zone = zone

## Heads of columns
column-account = account
column-actor = by
column-address = address
column-class = class
column-clock = clock
column-ends = ends
column-from = from
column-grant = grant
column-group = group
column-groups = groups
column-host-keys = host keys
column-id = id
column-key = key
column-kind = kind
column-label = label
column-length = length
column-motion = motion
column-name = name
column-not-before = not before
column-number = entry
column-opened = opened
column-opens = opens now
column-person = person
column-persona = persona
column-personas = personas
column-proposer = proposed by
column-purpose = purpose
column-recovery = recovery
column-request = request
column-requester = requested by
column-session = session
column-since = since
column-standing = standing
column-state = state
column-target = target
column-tier = tier
column-time = time
column-type = type
column-until = until
column-what = what
column-you = you
column-you-may-ask = you may ask
column-zone = zone

## Words
word-active = active
word-admin = admin
word-application-master = application master
word-being-ended = being ended
word-bound-until = up to { $span }, chunk { $chunks }, by entry { $seq }
word-end-gateway = as the gateway told it
word-end-found = as found after the gateway was lost
word-end-silent = nothing in the ledger
word-client-left = closed by the person
word-client-lost = client lost
word-cloud-admin = cloud administrator
word-database-admin = database administrator
word-engine = engine
word-failing = failing
word-flowing = open
word-founders = the founders
word-front = gateway
word-frozen = frozen
word-gateway-lost = gateway lost
word-gateway-stopped = gateway stopped
word-grant-over = grant over
word-hardware-touched = in hardware, touched
word-hardware-untouched = in hardware, not touched
word-hardware-verified = in hardware, person verified
word-input-masked = recorded, what is not echoed is masked
word-input-never = not recorded
word-killed = ended by order
word-left = has left
word-left-frozen = has left, frozen
word-may-decide = may decide
word-may-not = may not decide
word-missing = missing
word-network-device = network device
word-no = no
word-none = none
word-not-certified = not certified
word-not-shown = (not shown to you)
word-os-superuser = OS superuser
word-probe = read the clock
word-recording-failed = recording failed
word-recovery = recovery shares
word-research = research
word-retired = retired
word-returned = returned
word-revoked = revoked
word-software-key = in software
word-standing = standing
word-target-left = closed by the target
word-target-lost = target lost
word-target-not-pinned = other host key
word-target-refused = target refused
word-target-unreachable = target unreachable
word-unproved = somebody unproved
word-unseen = never seen
word-warning = warning
word-well = well
word-yes = yes

## What no offline proof can show
servers-word-filed-through-ssh = that the requester typed the request: it came through a terminal, without a signature over it
servers-word-key-recovered = who held the shares by which a key was replaced
servers-word-nothing-left-out = that everything that happened was written down
servers-word-own-entries = what the server's own entries say: sessions, errands, refusals, anchors
servers-word-one-ledger = that nobody was shown another ledger: the policy asks for no witness
servers-word-nothing-taken-back = that nothing was taken back since: no revocation, no frozen person, no removed key
servers-word-times = the times in the entries

## Lengths of time
span-days = { $count } d
span-hours = { $count } h
span-minutes = { $count } min
span-seconds = { $count } s

## What a session shows before its first byte
notice-recorded = this session is recorded ({ $session })
notice-purpose = { $account }: { $purpose }
notice-until = it ends at { $until }
