import java.util.HexFormat;
import java.util.Map;
import java.util.Scanner;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Which partition the Java client gives each key of standard input (hexadecimal, one a line): Partitions BROKERS TOPIC. */
public final class Partitions {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(settings, bytes, bytes); var lines = new Scanner(System.in)) {
            while (lines.hasNextLine()) {
                byte[] key = HexFormat.of().parseHex(lines.nextLine());
                var sent = producer.send(new ProducerRecord<>(arguments[1], key, new byte[0]));
                System.out.println(sent.get().partition());
            }
        }
    }
}
