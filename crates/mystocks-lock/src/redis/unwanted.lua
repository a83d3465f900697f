-- Most locks nobody waits for: they are given back before the functions below are made, which costs as much as the work itself.
if not ARGV[4] then
  local holder = redis.pcall('GET', KEYS[1])
  if holder ~= ARGV[1] then return holder and 2 or 0 end
  if redis.call('EXISTS', KEYS[2]) == 0 then return redis.call('DEL', KEYS[1]) end
end

