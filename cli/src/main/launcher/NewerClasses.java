import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeTransform;
import java.lang.constant.ClassDesc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;

/**
 * Copies a jar and gives classes from before Java 6 the class file version of Java 8, with the
 * stack maps that it asks for. HotSpot keeps older ones out of an AOT cache, and 25.0.3 crashes when
 * it links classes ahead of time to them (docs/adr/0001-launcher.md). Run by the launcher as a
 * source file: {@code java NewerClasses.java FROM.jar TO.jar}.
 */
class NewerClasses {
  private static final ClassTransform TO_JAVA_8 =
      ClassTransform.transformingMethodBodies(CodeTransform.ACCEPT_ALL)
          .andThen(
              (builder, element) -> {
                if (element instanceof ClassFileVersion) {
                  builder.withVersion(ClassFile.JAVA_8_VERSION, 0);
                } else {
                  builder.with(element);
                }
              });

  public static void main(String[] arguments) throws IOException {
    try (JarFile from = new JarFile(arguments[0]);
        JarOutputStream to =
            new JarOutputStream(Files.newOutputStream(Path.of(arguments[1])))) {
      ClassFile classes =
          ClassFile.of(
              ClassHierarchyResolverOption.of(
                  ClassHierarchyResolver.ofResourceParsing(wanted -> open(from, wanted))
                      .orElse(ClassHierarchyResolver.defaultResolver())
                      .cached()));
      for (JarEntry entry : Collections.list(from.entries())) {
        byte[] content = from.getInputStream(entry).readAllBytes();
        JarEntry copy = new JarEntry(entry.getName());
        copy.setTime(entry.getTime()); // the same input gives the same jar
        to.putNextEntry(copy);
        to.write(entry.getName().endsWith(".class") ? newer(classes, content) : content);
      }
    }
  }

  private static byte[] newer(ClassFile classes, byte[] content) {
    ClassModel model = classes.parse(content);
    return model.majorVersion() < ClassFile.JAVA_6_VERSION
        ? classes.transformClass(model, TO_JAVA_8)
        : content;
  }

  /** A class of the jar; null, as the resolver wants it, for one that is not in it. */
  private static InputStream open(JarFile jar, ClassDesc wanted) {
    String descriptor = wanted.descriptorString();
    JarEntry entry = jar.getJarEntry(descriptor.substring(1, descriptor.length() - 1) + ".class");
    try {
      return entry == null ? null : jar.getInputStream(entry);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
