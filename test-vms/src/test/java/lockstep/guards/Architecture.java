package lockstep.guards;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.NullMarked;

/** The import rules of docs/architecture.md as ArchUnit rules. */
final class Architecture {
  private static final String BINDINGS = "kvm-bindings imports nothing above it";
  private static final String[] BINDINGS_PACKAGES = {
    "lockstep.uapi..", "lockstep.sys..", "lockstep.kvm.."
  };
  private static final String MONITOR = "lockstep.monitor..";
  private static final String REPLAY = "lockstep.replay..";
  private static final String STORAGE = "lockstep.storage..";
  private static final String CLI = "lockstep.cli..";
  private static final String TEST_VMS = "lockstep.testvms..";

  private static final List<String> CLOCKS =
      List.of("nanoTime", "currentTimeMillis", "identityHashCode", "getenv", "getProperty");

  private Architecture() {}

  static final ArchRule BINDINGS_ARE_LOWEST =
      noClasses()
          .that()
          .resideInAnyPackage(BINDINGS_PACKAGES)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(MONITOR, REPLAY, STORAGE, CLI, TEST_VMS)
          .because(BINDINGS);

  static final ArchRule MONITOR_KNOWS_NO_REPLAY =
      noClasses()
          .that()
          .resideInAPackage(MONITOR)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(REPLAY, STORAGE, CLI, TEST_VMS)
          .because("a machine does not know whether it is recorded, replayed or replicated");

  static final ArchRule REPLAY_KNOWS_NO_BACKEND =
      noClasses()
          .that()
          .resideInAPackage(REPLAY)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(STORAGE, CLI, TEST_VMS)
          .because("storage implements ports that replay declares");

  static final ArchRule STORAGE_KNOWS_NO_COMMAND =
      noClasses()
          .that()
          .resideInAPackage(STORAGE)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(CLI, TEST_VMS)
          .because("cli alone sees everything");

  /** What storage may know of replay: the port that it implements, and who claims. */
  private static final Set<String> ARBITER_PORT =
      Set.of("lockstep.replay.ft.disk.Arbiter", "lockstep.replay.ft.disk.Claimant");

  static final ArchRule STORAGE_KNOWS_ONLY_PORTS =
      noClasses()
          .that()
          .resideInAPackage(STORAGE)
          .should()
          .dependOnClassesThat(
              new DescribedPredicate<JavaClass>("are in monitor or replay and no port of storage") {
                @Override
                public boolean test(JavaClass target) {
                  String name = target.getName().replaceFirst("[$].*", "");
                  return (name.startsWith("lockstep.replay.") && !ARBITER_PORT.contains(name))
                      || (name.startsWith("lockstep.monitor.")
                          && !name.startsWith("lockstep.monitor.block.")
                          && !name.startsWith("lockstep.monitor.state."));
                }
              })
          .because("storage implements the disk's and the arbiter's port and knows no machine");

  private static final String PROTOCOL = "lockstep.replay.ft.protocol..";

  /** What the protocol may know: values, its own types, and what the disk says. */
  private static final Set<String> PROTOCOL_VALUES =
      Set.of(
          "java.io.IOException",
          "java.util.concurrent.TimeUnit",
          "lockstep.monitor.state.Bytes",
          "lockstep.replay.log.LogHeader",
          "lockstep.replay.ft.disk.Arbiter",
          "lockstep.replay.ft.disk.Claimant");

  private static final List<String> PROTOCOL_LIBRARIES =
      List.of(
          "java.lang",
          "java.nio",
          "java.nio.charset",
          "java.util",
          "java.util.function",
          "java.util.regex",
          "java.util.stream",
          "org.jspecify.annotations");

  static final ArchRule PROTOCOL_IS_PURE =
      noClasses()
          .that()
          .resideInAPackage(PROTOCOL)
          .should()
          .dependOnClassesThat(
              new DescribedPredicate<JavaClass>("are a thread, clock, socket, file or machine") {
                @Override
                public boolean test(JavaClass target) {
                  return !isProtocolValue(target);
                }
              })
          .because("a simulation runs the protocol as it is");

  static final ArchRule PROTOCOL_READS_NO_HOST_STATE =
      ArchRuleDefinition.classes()
          .that()
          .resideInAPackage(PROTOCOL)
          .should(notCallHostState())
          .because("the protocol is told the time");

  static final ArchRule PARTS_OF_A_PAIR_KNOW_NO_NODE =
      noClasses()
          .that()
          .resideInAPackage("lockstep.replay.ft.*..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("lockstep.replay.ft")
          .because("the node and the VM put the parts together");

  static final ArchRule REPLAY_HAS_NO_CYCLES =
      SlicesRuleDefinition.slices()
          .matching("lockstep.replay.(**)")
          .should()
          .beFreeOfCycles()
          .because("a package can be read when those below it are known");

  static final ArchRule CLI_KNOWS_NO_GUEST =
      noClasses()
          .that()
          .resideInAPackage(CLI)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(TEST_VMS)
          .because("built-in guests are found on the class path");

  static final ArchRule FOREIGN_MEMORY_STAYS_BELOW =
      noClasses()
          .that()
          .resideInAPackage("lockstep..")
          .and()
          .resideOutsideOfPackages(
              "lockstep.uapi..", "lockstep.sys..", "lockstep.kvm..", "lockstep.storage.ffi..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("java.lang.foreign..")
          .because("addresses are checked in one place");

  static final ArchRule DOWNCALLS_IN_ONE_PLACE =
      noClasses()
          .that()
          .resideInAPackage("lockstep..")
          .and()
          .resideOutsideOfPackages("lockstep.uapi..", "lockstep.sys..", "lockstep.storage.ffi..")
          .should()
          .dependOnClassesThat()
          .haveFullyQualifiedName("java.lang.foreign.Linker")
          .because("lockstep.sys holds the only hand-written downcalls");

  static final ArchRule NETTY_IN_CHANNEL =
      noClasses()
          .that()
          .resideInAPackage("lockstep..")
          .and()
          .resideOutsideOfPackage("lockstep.replay.channel..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.netty..")
          .because("event loops and their buffers stay at the edge");

  /** Devices, buses, the loop and what they hold: everything that a backup executes again. */
  private static final String[] REPLAYED_PACKAGES = {
    "lockstep.monitor.device..",
    "lockstep.monitor.bus..",
    "lockstep.monitor.state..",
    "lockstep.monitor.vcpu..",
    "lockstep.monitor.quirk..",
    "lockstep.monitor.boot.."
  };

  static final ArchRule REPLAYED_CODE_READS_NO_HOST_STATE =
      ArchRuleDefinition.classes()
          .that()
          .resideInAnyPackage(REPLAYED_PACKAGES)
          .should(notCallHostState())
          .because("every external input passes through the InputSource");

  static final ArchRule DEVICES_KNOW_NO_HOST =
      noClasses()
          .that()
          .resideInAnyPackage(
              "lockstep.monitor.device..", "lockstep.monitor.bus..", "lockstep.monitor.state..")
          .should()
          .dependOnClassesThat(
              new DescribedPredicate<JavaClass>("are a thread, descriptor, file, clock or random") {
                @Override
                public boolean test(JavaClass target) {
                  return hostSide(target);
                }
              })
          .because("a device is a pure state machine");

  static final ArchRule PACKAGES_ARE_NULL_MARKED =
      ArchRuleDefinition.classes()
          .that()
          .resideInAPackage("lockstep..")
          .and()
          .resideOutsideOfPackage("lockstep.uapi..")
          .should(beNullMarked())
          .because("NullAway checks marked packages only");

  private static boolean isProtocolValue(JavaClass target) {
    JavaClass type = target.getBaseComponentType();
    String name = type.getName().replaceFirst("[$].*", "");
    return type.isPrimitive()
        || PROTOCOL_VALUES.contains(name)
        || name.startsWith("lockstep.replay.ft.protocol.")
        || (PROTOCOL_LIBRARIES.contains(type.getPackageName())
            && !type.isAssignableTo(Thread.class)
            && !type.isAssignableTo(Process.class)
            && !type.isAssignableTo(java.util.random.RandomGenerator.class)
            && !type.isAssignableTo(java.util.UUID.class));
  }

  private static boolean hostSide(JavaClass target) {
    String name = target.getPackageName();
    return Set.of("java.time", "java.util.concurrent", "java.net", "java.nio.file", "java.security")
            .stream()
            .anyMatch(forbidden -> name.equals(forbidden) || name.startsWith(forbidden + "."))
        || target.isAssignableTo(Thread.class)
        || target.isAssignableTo(java.util.random.RandomGenerator.class)
        || target.isAssignableTo(java.util.UUID.class)
        || name.startsWith("lockstep.kvm")
        || name.startsWith("lockstep.sys")
        || name.startsWith("lockstep.monitor.vcpu")
        || name.startsWith("lockstep.monitor.host");
  }

  private static ArchCondition<JavaClass> notCallHostState() {
    return new ArchCondition<>("not read the host's clock, random source or environment") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        for (JavaMethodCall call : type.getMethodCallsFromSelf()) {
          JavaClass owner = call.getTargetOwner();
          boolean forbidden =
              (owner.isEquivalentTo(System.class) && CLOCKS.contains(call.getName()))
                  || owner.isAssignableTo(java.util.random.RandomGenerator.class)
                  || (owner.isEquivalentTo(Math.class) && call.getName().equals("random"))
                  || (owner.getPackageName().equals("java.time") && call.getName().equals("now"));
          if (forbidden) {
            events.add(SimpleConditionEvent.violated(call, call.getDescription()));
          }
        }
      }
    };
  }

  private static ArchCondition<JavaClass> beNullMarked() {
    return new ArchCondition<>("be in a @NullMarked package") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        if (type.getPackage().tryGetAnnotationOfType(NullMarked.class).isEmpty()) {
          events.add(
              SimpleConditionEvent.violated(
                  type, type.getName() + " is in a package without @NullMarked package-info"));
        }
      }
    };
  }
}
