-- Remembers a message and tells it to whoever listens, in one step: what is told stands in the journal.
-- KEYS: entries, end. ARGV: payload, the channel on which it is told, how many are kept, milliseconds they live after the last.
-- Answers how many heard it, and 1 when the journal begins with it.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local number, last, born = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+) (%d+)$')
local begins = not number
if begins then
  -- Entries without an end have no numbers that anything could follow.
  redis.call('DEL', KEYS[1])
  number, last, born = 0, now, now
end

local function text(n)
  return string.format('%.0f', tonumber(n))
end

number = tonumber(number) + 1
-- The clock may have been set back; ids never go back.
last = math.max(now, tonumber(last))
local id = text(last) .. '-' .. text(number)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'p', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], text(number) .. ' ' .. text(last) .. ' ' .. text(born), 'PX', ARGV[4])
return {redis.call('PUBLISH', ARGV[2], id .. ' ' .. ARGV[1]), begins and 1 or 0}
