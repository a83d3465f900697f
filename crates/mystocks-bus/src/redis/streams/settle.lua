-- After group.lua. ARGV from 3 on: id, verdict, its argument; for each entry. Verdicts: d done, a again (milliseconds), x dead (reason).
-- Answers for each entry 1 when the consumer had it, else 0.
local answers = {}
-- As long as its lease stands, nobody has taken anything away from it.
if not redis.call('ZSCORE', leases, me) then
  for n = 3, #ARGV, 3 do answers[#answers + 1] = 0 end
  return answers
end
for n = 3, #ARGV, 3 do
  local id, verdict, argument = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local stood = 1
  if verdict == 'd' then
    stood = redis.call('XACK', stream, group, id)
  else
    local holder, deliveries = pending(id)
    if holder ~= me then
      stood = 0
    elseif verdict == 'a' then
      give(id, NOBODY, deliveries)
      redis.call('ZADD', waiting, now() + argument, id)
    else
      bury(id, argument, deliveries)
    end
  end
  answers[#answers + 1] = stood
end
return answers
