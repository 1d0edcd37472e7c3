package lockstep.testvms;

import java.util.Locale;

/** An SVG picture of times, a bar for each kind of fault. */
final class FaultPicture {
  private static final int WIDTH = 900;
  private static final int LEFT = 330;
  private static final int RIGHT = 40;
  private static final int TOP = 40;
  private static final int ROW = 24;
  private static final int BOTTOM = 40;

  /** 1 ms to 100 s. */
  private static final int DECADES = 5;

  private final int height;
  private final StringBuilder body = new StringBuilder();
  private int rows;

  FaultPicture(int height) {
    this.height = height;
    for (int decade = 0; decade <= DECADES; decade++) {
      double millis = Math.pow(10, decade);
      add(
          "<line x1='%1$.1f' y1='%2$d' x2='%1$.1f' y2='%3$d' stroke='#ddd'/>",
          x(millis), TOP, height - BOTTOM);
      add(
          "<text x='%.1f' y='%d' text-anchor='middle'>%s</text>",
          x(millis),
          height - BOTTOM + 18,
          decade < 3 ? "%.0f ms".formatted(millis) : "%.0f s".formatted(millis / 1000));
    }
    add(
        "<text x='%d' y='20'>time to new output: p50 (dark) to p99 (light), max (line)</text>",
        LEFT);
  }

  static int heightFor(int rows) {
    return TOP + ROW * rows + BOTTOM;
  }

  /** Adds a kind; times in milliseconds, 0 for none. */
  void bar(String name, double p50, double p99, double max) {
    int y = TOP + ROW * rows++;
    add("<text x='%d' y='%d' text-anchor='end'>%s</text>", LEFT - 8, y + 15, name);
    double from = x(1);
    add(
        "<rect x='%.1f' y='%d' width='%.1f' height='14' fill='#9bc4e2'/>",
        from, y + 4, x(p99) - from);
    add(
        "<rect x='%.1f' y='%d' width='%.1f' height='14' fill='#2c6fa6'/>",
        from, y + 4, x(p50) - from);
    add(
        "<line x1='%1$.1f' y1='%2$d' x2='%1$.1f' y2='%3$d' stroke='#a00' stroke-width='2'/>",
        x(max), y + 2, y + 20);
  }

  private static double x(double millis) {
    double decades = Math.log10(Math.clamp(millis, 1, Math.pow(10, DECADES)));
    return LEFT + decades / DECADES * (WIDTH - LEFT - RIGHT);
  }

  @SuppressWarnings("AnnotateFormatMethod") // The annotation is a library of its own.
  private void add(String format, Object... values) {
    body.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  String svg() {
    return String.format(
        Locale.ROOT,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%1$d' height='%2$d'"
            + " viewBox='0 0 %1$d %2$d' font-family='sans-serif' font-size='12'>%n"
            + "<rect width='100%%' height='100%%' fill='white'/>%n%3$s</svg>%n",
        WIDTH,
        height,
        body);
  }
}
