package lockstep.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test that needs a usable /dev/kvm. Without one it is skipped and the reason is printed. Either
 * way one line goes to target/kvm-tests.txt of the module, from which ./verify tells how many KVM
 * tests ran: "RAN class#method" for each test, "SKIPPED class#method reason" for each that was not
 * run ("class" alone if the class was skipped as a whole).
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(KvmRequiredExtension.class)
public @interface KvmRequired {}
