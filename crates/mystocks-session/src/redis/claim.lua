-- KEYS: session. ARGV: proof, 1 to revoke what is replayed, most bytes ('' without data). Revokes what the claim is good for.
local session, at = KEYS[1], clock()
local status = standing(session, ARGV[1], ARGV[2], at)
if status ~= PRESENT and status ~= BEFORE then return {status, {}} end
local answer = record(session, status, ARGV[3])
if answer[1] == status then bury(session) end
return answer
