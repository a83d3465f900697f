-- After group.lua. ARGV from 3 on: id, verdict, its argument; for each entry. Verdicts: d done, a again (milliseconds), x dead (reason).
-- Answers 1 when the consumer had them, else 0.
-- As long as its lease stands, nobody has taken anything away from it: what it does not have any more it has settled before, and this
-- is the same request again.
if not redis.call('ZSCORE', leases, me) then return 0 end
local done = {}
for n = 3, #ARGV, 3 do
  local id, verdict, argument = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  if verdict == 'd' then
    done[#done + 1] = id
  else
    local holder, deliveries = pending(id)
    if holder == me and verdict == 'a' then
      give(id, NOBODY, deliveries)
      -- The clock is cut off to whole milliseconds.
      local pause = tonumber(argument)
      redis.call('ZADD', waiting, now() + pause + (pause > 0 and 1 or 0), id)
    elseif holder == me then
      bury(id, argument, deliveries)
    end
  end
  if #done == 1000 or n + 3 > #ARGV and #done > 0 then
    redis.call('XACK', stream, group, unpack(done))
    done = {}
  end
end
return 1
