-- KEYS: spots. ARGV: 1 to have the spots watched; then token and milliseconds of each. Answers how each stands.
local stood = {}
for n, spot in ipairs(KEYS) do
  stood[n] = extend(spot, ARGV[2 * n], ARGV[2 * n + 1])
  if ARGV[1] == '1' then redis.call('EXISTS', spot) end
end
return stood
