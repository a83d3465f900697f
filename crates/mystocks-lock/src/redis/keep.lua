-- KEYS: spots. ARGV: 1 to have the spots watched; then of each token, milliseconds, and 1 when it is to be held for at least those.
-- Answers how each stands.
local stood = {}
for n, spot in ipairs(KEYS) do
  stood[n] = extend(spot, ARGV[3 * n - 1], ARGV[3 * n], ARGV[3 * n + 1] == '1')
  if ARGV[1] == '1' then redis.call('EXISTS', spot) end
end
return stood
