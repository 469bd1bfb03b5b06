# Sourced: exports the commit that `greenavatar --version` names, if this is a checkout.
if [ -z "${GREENAVATAR_COMMIT:-}" ] && commit=$(git describe --always --dirty --exclude='*' 2> /dev/null); then
  export GREENAVATAR_COMMIT="$commit"
fi
