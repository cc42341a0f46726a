# Makes the verbs of taghubctl(1) from what `taghubctl --help` prints.
{ gsub(/\\/, "\\e"); gsub(/-/, "\\-") }
/^  taghubctl .* lists/ { next }
/^  taghubctl / { sub(/^  taghubctl /, ""); print ".It Cm " $0; next }
/^      / { sub(/^ */, "\\\\\\&"); gsub(/\. /, ".\n\\\\\\&"); print }
