# Makes the keys of taghub.conf(5) from what `taghubctl example-config` prints: paragraphs, each a heading or a key.
function text(line) {
    gsub(/\\/, "\\e", line)
    gsub(/-/, "\\-", line)
    gsub(/\. /, ".\n\\\\\\&", line)
    return "\\&" line
}
BEGIN { RS = ""; FS = "\n" }
{ gsub(/(^|\n)# ?/, "\n"); sub(/^\n/, "") }
NR == 1 { next }
/^---- / {
    gsub(/^---- | ----$/, "", $1)
    print is_open++ ? ".El\n.Ss " $1 : ".Ss " $1
    for (i = 2; i <= NF; i++) print text($i)
    print ".Bl -tag -width Ds"
    next
}
{
    split($NF, setting, / = ?/)
    print ".It Ic " setting[1]
    for (i = 1; i < NF - 1; i++) print text($i) (i == NF - 2 ? "." : "")
    print text("Default: " (setting[2] == "" ? "empty" : setting[2]) " " $(NF - 1) ".")
}
END { print ".El" }
