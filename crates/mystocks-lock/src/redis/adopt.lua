-- KEYS: spot, fence. ARGV: token, milliseconds, 1 when it is to be held for at least those, node and owner, 1 to have the spot watched.
-- Answers how it stands, and takes down who holds it.
local stood = extend(KEYS[1], ARGV[1], ARGV[2], ARGV[3] == '1')
if stood == 1 then
  local last, holder, text = record(KEYS[2])
  if holder == ARGV[1] then
    local at = string.match(text, '^%S+ %S+ (%S+)')
    text = string.format('%.0f', last) .. ' ' .. holder .. ' ' .. at .. ' ' .. ARGV[4]
    redis.call('SET', KEYS[2], text, 'PX', KEPT + ARGV[2])
  end
end
if ARGV[5] == '1' then redis.call('EXISTS', KEYS[1]) end
return stood
