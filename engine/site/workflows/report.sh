# What the change does to each recipe that it touches: by meaning, and what a run would do. The
# merge base, not the tip of the target branch: what others merged meanwhile is no part of it.
base=$(git merge-base "$BASE" HEAD)
{
  echo "## Recipes"
  # Another lock may change every recipe that rests on a package.
  if git diff --quiet "$base" HEAD -- '*pada.lock'; then
    git diff --name-only --diff-filter=AMR -z "$base" HEAD -- '*.yaml' '*.yml'
  else
    git ls-files -z -- '*.yaml' '*.yml'
  fi |
    while IFS= read -r -d '' file; do
      grep -qE '^recipe:' "./$file" || continue
      printf '\n### `%s`\n\n' "$(printf '%s' "$file" | tr -d '`\n')"
      pada diff "./$file" "$base.." --markdown < /dev/null || echo "There is no comparison."
      printf '\n<details><summary>Plan</summary>\n\n'
      # Four spaces make it a block of code, whatever is in it.
      { pada plan "./$file" 2>&1 < /dev/null || true; } | sed 's/^/    /'
      printf '\n</details>\n'
    done
} > report.whole.md
# What fits into a comment; half a character at its end makes iconv say that something is wrong.
head -c 60000 report.whole.md | iconv -c -f UTF-8 -t UTF-8 > report.md || true
