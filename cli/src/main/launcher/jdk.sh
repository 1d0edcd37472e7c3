# Sourced by ./lockstep and ./verify: finds a JDK 25. No output, no side effects.

# The one feature release that Lockstep is built with and runs on.
readonly JDK_FEATURE=25

# Sets REPLY to the home of a JDK 25; fails if there is none. Reads the release files instead of
# starting anything: this is on the way of every command.
find_jdk() {
  local java candidate
  if [[ -n ${JAVA_HOME:-} ]] && is_jdk "$JAVA_HOME"; then
    REPLY=$JAVA_HOME
    return
  fi
  for candidate in /usr/lib/jvm/* "${SDKMAN_DIR:-${HOME:-/root}/.sdkman}"/candidates/java/*; do
    if is_jdk "$candidate"; then
      REPLY=$candidate
      return
    fi
  done
  if java=$(command -v java); then
    java=$(readlink -f "$java")
    candidate=${java%/bin/java}
    if is_jdk "$candidate"; then
      REPLY=$candidate
      return
    fi
  fi
  return 1
}

is_jdk() {
  local line
  [[ -x $1/bin/java && -x $1/bin/javac && -r $1/release ]] || return 1
  while IFS= read -r line; do
    case $line in
      "JAVA_VERSION=\"$JDK_FEATURE\""* | "JAVA_VERSION=\"$JDK_FEATURE."*) return 0 ;;
    esac
  done < "$1/release"
  return 1
}

no_jdk_message() {
  echo "no JDK $JDK_FEATURE found: install one (for example Temurin $JDK_FEATURE, package" \
    "temurin-$JDK_FEATURE-jdk) or set JAVA_HOME to one${JAVA_HOME:+; JAVA_HOME is now $JAVA_HOME}"
}
