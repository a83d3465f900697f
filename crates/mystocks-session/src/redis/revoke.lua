-- KEYS: session. ARGV: 1 to leave a grave though there is no session: it may be about to be created.
local session, at = KEYS[1], clock()
local answer = {GONE, {}}
if is_live(session, at) then answer = record(session, PRESENT, '') end
if answer[1] == PRESENT or ARGV[1] == '1' then bury(session) end
return answer
