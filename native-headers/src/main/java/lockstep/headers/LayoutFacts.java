package lockstep.headers;

import java.io.IOException;
import java.io.StringWriter;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * What the layouts in a set of sources come to: they are compiled into a directory, loaded and
 * asked. Sizes and offsets are bytes.
 */
final class LayoutFacts implements AutoCloseable {
  private static final String PACKAGE = "lockstep.uapi.";

  private final URLClassLoader loader;

  private LayoutFacts(URLClassLoader loader) {
    this.loader = loader;
  }

  /** Compiles {@code sources} (file name to text) below {@code workDir} and loads the result. */
  static LayoutFacts compile(Map<String, String> sources, Path workDir) throws IOException {
    Path sourceDir = Files.createDirectories(workDir.resolve("src"));
    Path classDir = Files.createDirectories(workDir.resolve("classes"));
    List<Path> files = new ArrayList<>();
    for (Map.Entry<String, String> source : sources.entrySet()) {
      files.add(Files.writeString(sourceDir.resolve(source.getKey()), source.getValue()));
    }
    JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (StandardJavaFileManager fileManager = javac.getStandardFileManager(null, null, null)) {
      boolean done =
          javac
              .getTask(
                  messages,
                  fileManager,
                  null,
                  List.of("-proc:none", "-d", classDir.toString()),
                  null,
                  fileManager.getJavaFileObjectsFromPaths(files))
              .call();
      if (!done) {
        throw new HeaderException("jextract's output does not compile once tidied:\n" + messages);
      }
    }
    return new LayoutFacts(new URLClassLoader(new URL[] {classDir.toUri().toURL()}));
  }

  /** The layout of a class: {@code kvm_run} or {@code kvm_run$io}. */
  GroupLayout layout(String className) {
    return (GroupLayout) ask(className, "layout");
  }

  long offset(String className, String field) {
    return (long) ask(className, field + "$offset");
  }

  MemoryLayout fieldLayout(String className, String field) {
    return (MemoryLayout) ask(className, field + "$layout");
  }

  private Object ask(String className, String method) {
    try {
      return loader.loadClass(PACKAGE + className).getMethod(method).invoke(null);
    } catch (ReflectiveOperationException e) {
      throw new HeaderException(className + "." + method + "(): " + e);
    }
  }

  @Override
  public void close() throws IOException {
    loader.close();
  }
}
