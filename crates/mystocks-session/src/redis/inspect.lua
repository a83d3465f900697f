-- KEYS: session. Answers it without its data.
local session, at = KEYS[1], clock()
if is_live(session, at) then return record(session, PRESENT, '') end
return {GONE, {}}
